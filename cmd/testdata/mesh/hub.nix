# hosts/h1.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:6
{
  imports = [
    ../roles/muster-secrets.nix
    ../roles/muster-mesh.nix
    ../roles/mesh-members.nix
  ];

  deployment = {
    targetHost = "192.0.2.1";
    targetEnv = "none";
  };
  networking.hostName = "h1";
  networking.wireguard.interfaces.wg0 = {
    ips = [
      "10.99.0.1/24"
      "fd5a::1/64"
    ];
    listenPort = 51820;
    privateKeyFile = "/run/muster-secrets/mesh-wg0";
    allowedIPsAsRoutes = false;
  };
  networking.firewall.allowedUDPPorts = [ 51820 ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952300";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h1";
    addresses = [
      "10.99.0.1/24"
      "fd5a::1/64"
    ];
  };
  muster.secrets.mesh-wg0.reload = [ "muster-mesh-wg0.service" ];
  boot.kernel.sysctl = {
    "net.ipv4.ip_forward" = 1;
    "net.ipv6.conf.all.forwarding" = 1;
  };
}

# hosts/h2.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:7
{
  imports = [
    ../roles/muster-secrets.nix
    ../roles/muster-mesh.nix
    ../roles/mesh-members.nix
  ];

  deployment = {
    targetHost = "192.0.2.2";
    targetEnv = "none";
  };
  networking.hostName = "h2";
  networking.wireguard.interfaces.wg0 = {
    ips = [
      "10.99.0.2/24"
      "fd5a::2/64"
    ];
    listenPort = 51820;
    privateKeyFile = "/run/muster-secrets/mesh-wg0";
    allowedIPsAsRoutes = false;
  };
  networking.firewall.allowedUDPPorts = [ 51820 ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952301";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h2";
    addresses = [
      "10.99.0.2/24"
      "fd5a::2/64"
    ];
  };
  muster.secrets.mesh-wg0.reload = [ "muster-mesh-wg0.service" ];
}

# hosts/h3.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:8
{
  imports = [
    ../roles/muster-secrets.nix
    ../roles/muster-mesh.nix
    ../roles/mesh-members.nix
  ];

  deployment = {
    targetHost = "192.0.2.3";
    targetEnv = "none";
  };
  networking.hostName = "h3";
  networking.wireguard.interfaces.wg0 = {
    ips = [
      "10.99.0.3/24"
      "fd5a::3/64"
    ];
    listenPort = 51820;
    privateKeyFile = "/run/muster-secrets/mesh-wg0";
    allowedIPsAsRoutes = false;
  };
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952302";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h3";
    addresses = [
      "10.99.0.3/24"
      "fd5a::3/64"
    ];
  };
  muster.secrets.mesh-wg0.reload = [ "muster-mesh-wg0.service" ];
}

# hosts/h4.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:9
{
  imports = [
    ../roles/muster-secrets.nix
    ../roles/muster-mesh.nix
    ../roles/mesh-members.nix
  ];

  deployment = {
    targetHost = "192.0.2.4";
    targetEnv = "none";
  };
  networking.hostName = "h4";
  networking.wireguard.interfaces.wg0 = {
    ips = [
      "10.99.0.4/24"
      "fd5a::4/64"
    ];
    listenPort = 51820;
    privateKeyFile = "/run/muster-secrets/mesh-wg0";
    allowedIPsAsRoutes = false;
  };
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952303";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h4";
    addresses = [
      "10.99.0.4/24"
      "fd5a::4/64"
    ];
  };
  muster.secrets.mesh-wg0.reload = [ "muster-mesh-wg0.service" ];
}

