# Written by muster compile from hosts.toml; edit that instead.
let
  # Undoes changes of morph that other tools do not make: it adds the list of its
  # health checks to every system, and sets no nixpkgs.system.
  plainSystem =
    { lib, ... }:
    {
      options.system.extraDependencies = lib.mkOption {
        apply = builtins.filter (path: path.name or "" != "healthcheck-commands.txt");
      };
      config.nixpkgs.system = lib.mkDefault "x86_64-linux";
    };

  # hosts.toml:1
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

  # hosts.toml:1
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
  };

  defaults = {
    imports = [ plainSystem ];
  };

  # hosts.toml:3
  il = {
    imports = [ kubernetesMaster ];

    deployment.targetHost = "192.168.10.121";
    networking.hostName = "il";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
      fsType = "ext4";
    };
  };

  # hosts.toml:6
  ee = {
    imports = [ kubernetesNode ];

    deployment.targetHost = "192.168.10.122";
    networking.hostName = "ee";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/7278ee48-598d-40fd-9765-a0b0db9ba1d9";
      fsType = "ext4";
    };
  };

  # hosts.toml:9
  sam = {
    imports = [ kubernetesNode ];

    deployment.targetHost = "192.168.10.123";
    networking.hostName = "sam";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/f433b748-e485-4668-a7fd-fc5d92fbd682";
      fsType = "ext4";
    };
  };
}
