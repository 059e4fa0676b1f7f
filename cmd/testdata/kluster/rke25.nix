# roles/kubernetes-master.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:13
{
  networking.firewall = {
    allowedTCPPorts = [
      10250
      6443
      9345
      2379
      2380
    ];
    allowedUDPPorts = [ 8472 ];
  };
  services.rke2 = {
    enable = true;
    role = "server";
    tokenFile = "/run/muster-secrets/join";
    extraFlags = [ "--tls-san=10.9.0.100" ];
  };
}

# roles/kubernetes-node.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:13
{
  networking.firewall = {
    allowedTCPPorts = [ 10250 ];
    allowedUDPPorts = [ 8472 ];
  };
  services.rke2 = {
    enable = true;
    role = "agent";
    tokenFile = "/run/muster-secrets/join";
    serverAddr = "https://10.9.0.100:9345";
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
  services.rke2.extraFlags = [ "--node-ip=10.9.0.1" ];
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
  services.rke2 = {
    serverAddr = "https://10.9.0.100:9345";
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
  services.rke2 = {
    serverAddr = "https://10.9.0.100:9345";
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
  services.rke2.extraFlags = [ "--node-ip=10.9.0.4" ];
  muster.secrets.join = { };
}

# hosts/h5.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:10
{
  imports = [ ../roles/muster-secrets.nix ];

  deployment = {
    targetHost = "10.9.0.5";
    targetEnv = "none";
  };
  networking.hostName = "h5";
  networking.firewall.allowedTCPPorts = [
    6443
    9345
  ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952304";
    fsType = "ext4";
  };
  services.haproxy = {
    enable = true;
    config = ''
      defaults
        mode tcp
        timeout connect 5s
        timeout client 1h
        timeout server 1h

      listen kubernetes-6443
        bind :::6443 v4v6
        option tcp-check
        server h1 10.9.0.1:6443 check
        server h2 10.9.0.2:6443 check
        server h3 10.9.0.3:6443 check

      listen kubernetes-9345
        bind :::9345 v4v6
        option tcp-check
        server h1 10.9.0.1:9345 check
        server h2 10.9.0.2:9345 check
        server h3 10.9.0.3:9345 check
    '';
  };
  muster.secrets.join = { };
}

