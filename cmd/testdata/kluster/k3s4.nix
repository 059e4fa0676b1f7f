# roles/kubernetes-master.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:12
{
  networking.firewall = {
    allowedTCPPorts = [
      10250
      6443
      2379
      2380
    ];
    allowedUDPPorts = [ 8472 ];
  };
  services.k3s = {
    enable = true;
    role = "server";
    tokenFile = "/run/muster-secrets/join";
    extraFlags = [
      "--cluster-cidr=10.42.0.0/16"
      "--service-cidr=10.43.0.0/16"
      "--cluster-domain=k.example.com"
      "--tls-san=10.9.0.1"
    ];
  };
}

# roles/kubernetes-node.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:12
{
  networking.firewall = {
    allowedTCPPorts = [ 10250 ];
    allowedUDPPorts = [ 8472 ];
  };
  services.k3s = {
    enable = true;
    role = "agent";
    tokenFile = "/run/muster-secrets/join";
    serverAddr = "https://10.9.0.1:6443";
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
  services.k3s = {
    clusterInit = true;
    extraFlags = [ "--node-ip=10.9.0.1" ];
  };
  muster.secrets.join = { };
}

# hosts/h2.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:7
{
  imports = [
    ../roles/kubernetes-master.nix
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
  services.k3s = {
    serverAddr = "https://10.9.0.1:6443";
    extraFlags = [
      "--node-ip=10.9.0.2"
      "--node-label=zone=a"
      "--node-taint=gpu=yes:NoSchedule"
      "--node-taint=old:NoExecute"
    ];
  };
  muster.secrets.join = { };
}

# hosts/h3.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:8
{
  imports = [
    ../roles/kubernetes-master.nix
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
  services.k3s = {
    serverAddr = "https://10.9.0.1:6443";
    extraFlags = [
      "--node-ip=10.9.0.3"
      "--node-taint=node-role.kubernetes.io/control-plane=true:NoSchedule"
    ];
  };
  muster.secrets.join = { };
}

# hosts/h4.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:9
{
  imports = [
    ../roles/kubernetes-node.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.4";
    targetEnv = "none";
  };
  networking.hostName = "h4";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952303";
    fsType = "ext4";
  };
  services.k3s.extraFlags = [ "--node-ip=10.9.0.4" ];
  muster.secrets.join = { };
}

