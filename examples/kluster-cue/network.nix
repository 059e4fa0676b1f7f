# Written by muster compile from hosts.cue; edit that instead.
let
  # hosts.cue:8
  kubernetesMaster =
    { pkgs, ... }:
    {
      networking.extraHosts = "192.168.10.121 il";
      environment.systemPackages = [
        pkgs.kubernetes
        pkgs.kubectl
      ];
      services.kubernetes = {
        roles = [
          "master"
          "node"
        ];
        masterAddress = "il";
        easyCerts = true;
        apiserver = {
          securePort = 443;
          advertiseAddress = "192.168.10.121";
        };
        addons.dns.enable = true;
      };
    };

  # hosts.cue:8
  kubernetesNode =
    { pkgs, ... }:
    {
      networking.extraHosts = "192.168.10.121 il";
      environment.systemPackages = [
        pkgs.kubernetes
        pkgs.kubectl
      ];
      services.kubernetes = {
        roles = [ "node" ];
        masterAddress = "il";
        easyCerts = true;
        apiserverAddress = "https://il:443";
        kubelet.kubeconfig.server = "https://il:443";
        addons.dns.enable = true;
      };
    };
in
{
  network = {
    description = "kubernetes cluster";
    enableRollback = true;
    nixpkgs = ../minios;
  };

  # hosts.cue:11
  defaults = {
    imports = [ ./base.nix ];

    time.timeZone = "Europe/Berlin";
  };

  # hosts.cue:17
  il = {
    imports = [ kubernetesMaster ];

    deployment = {
      targetHost = "192.168.10.121";
      targetEnv = "none";
    };
    networking.hostName = "il";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
      fsType = "ext4";
    };
  };

  # hosts.cue:21
  ee = {
    imports = [ kubernetesNode ];

    deployment = {
      targetHost = "192.168.10.122";
      targetEnv = "none";
    };
    networking.hostName = "ee";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/7278ee48-598d-40fd-9765-a0b0db9ba1d9";
      fsType = "ext4";
    };
  };

  # hosts.cue:25
  sam = {
    imports = [ kubernetesNode ];

    deployment = {
      targetHost = "192.168.10.123";
      targetEnv = "none";
    };
    networking.hostName = "sam";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/f433b748-e485-4668-a7fd-fc5d92fbd682";
      fsType = "ext4";
    };
  };
}
