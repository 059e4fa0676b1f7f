# roles/kubernetes-master.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:10
{
  services.rke2 = {
    manifests.web.content = {
      apiVersion = "v1";
      kind = "ConfigMap";
      metadata = {
        name = "web";
        namespace = "kube-system";
      };
      data.a = "b";
    };
    enable = true;
    role = "server";
    tokenFile = "/run/muster-secrets/join";
    extraFlags = [
      "--cluster-cidr=10.42.0.0/16,fd42:10::/56"
      "--service-cidr=10.43.0.0/16,fd42:11::/112"
      "--tls-san=10.9.0.1"
      "--disable=rke2-coredns"
    ];
  };
  networking.firewall = {
    allowedTCPPorts = [
      10250
      6443
      9345
    ];
    allowedUDPPorts = [ 8472 ];
  };
}

# roles/kubernetes-node.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:10
{
  networking.firewall = {
    allowedTCPPorts = [ 10250 ];
    allowedUDPPorts = [ 8472 ];
  };
  services.rke2 = {
    enable = true;
    role = "agent";
    tokenFile = "/run/muster-secrets/join";
    serverAddr = "https://10.9.0.1:9345";
  };
}

# hosts/h1.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:6
{
  imports = [
    ../roles/kubernetes-master.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.1";
    targetEnv = "none";
  };
  networking.hostName = "h1";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952300";
    fsType = "ext4";
  };
  services.rke2.extraFlags = [ "--node-ip=10.9.0.1,fd09::1" ];
  muster.secrets.join = { };
}

# hosts/h2.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:7
{
  imports = [
    ../roles/kubernetes-node.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.2";
    targetEnv = "none";
  };
  networking.hostName = "h2";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952301";
    fsType = "ext4";
  };
  services.rke2.extraFlags = [
    "--node-ip=10.9.0.2,fd09::2"
    "--node-label=zone=a"
    "--node-taint=gpu=yes:NoSchedule"
    "--node-taint=old:NoExecute"
  ];
  muster.secrets.join = { };
}

# hosts/h3.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:8
{
  imports = [
    ../roles/kubernetes-node.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.3";
    targetEnv = "none";
  };
  networking.hostName = "h3";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952302";
    fsType = "ext4";
  };
  services.rke2.extraFlags = [ "--node-ip=10.9.0.3,fd09::3" ];
  muster.secrets.join = { };
}

