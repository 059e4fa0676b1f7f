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
  networking.firewall.allowedUDPPorts = [ 51999 ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952300";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h1";
    addresses = [ "10.99.0.1/24" ];
  };
  muster.secrets.mesh-wg0 = {
    group = "systemd-network";
    mode = "0440";
    reload = [ "muster-mesh-wg0.service" ];
  };
  systemd.network = {
    enable = true;
    netdevs."50-wg0" = {
      netdevConfig = {
        Kind = "wireguard";
        Name = "wg0";
      };
      wireguardConfig = {
        PrivateKeyFile = "/run/muster-secrets/mesh-wg0";
        ListenPort = 51999;
      };
    };
    networks."50-wg0" = {
      matchConfig.Name = "wg0";
      address = [ "10.99.0.1/24" ];
    };
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
  networking.firewall.allowedUDPPorts = [ 51999 ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952301";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h2";
    addresses = [ "10.99.0.77/24" ];
  };
  muster.secrets.mesh-wg0 = {
    group = "systemd-network";
    mode = "0440";
    reload = [ "muster-mesh-wg0.service" ];
  };
  systemd.network = {
    enable = true;
    netdevs."50-wg0" = {
      netdevConfig = {
        Kind = "wireguard";
        Name = "wg0";
      };
      wireguardConfig = {
        PrivateKeyFile = "/run/muster-secrets/mesh-wg0";
        ListenPort = 51999;
      };
    };
    networks."50-wg0" = {
      matchConfig.Name = "wg0";
      address = [ "10.99.0.77/24" ];
    };
  };
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
  networking.firewall.allowedUDPPorts = [ 51999 ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952302";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h3";
    addresses = [ "10.99.0.2/24" ];
  };
  muster.secrets.mesh-wg0 = {
    group = "systemd-network";
    mode = "0440";
    reload = [ "muster-mesh-wg0.service" ];
  };
  systemd.network = {
    enable = true;
    netdevs."50-wg0" = {
      netdevConfig = {
        Kind = "wireguard";
        Name = "wg0";
      };
      wireguardConfig = {
        PrivateKeyFile = "/run/muster-secrets/mesh-wg0";
        ListenPort = 51999;
      };
    };
    networks."50-wg0" = {
      matchConfig.Name = "wg0";
      address = [ "10.99.0.2/24" ];
    };
  };
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
  networking.firewall.allowedUDPPorts = [ 51999 ];
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952303";
    fsType = "ext4";
  };
  muster.meshes.wg0 = {
    self = "h4";
    addresses = [ "10.99.0.3/24" ];
  };
  muster.secrets.mesh-wg0 = {
    group = "systemd-network";
    mode = "0440";
    reload = [ "muster-mesh-wg0.service" ];
  };
  systemd.network = {
    enable = true;
    netdevs."50-wg0" = {
      netdevConfig = {
        Kind = "wireguard";
        Name = "wg0";
      };
      wireguardConfig = {
        PrivateKeyFile = "/run/muster-secrets/mesh-wg0";
        ListenPort = 51999;
      };
    };
    networks."50-wg0" = {
      matchConfig.Name = "wg0";
      address = [ "10.99.0.3/24" ];
    };
  };
}

