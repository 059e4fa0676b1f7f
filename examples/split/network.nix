# Written by muster compile from logical.cue, physical.cue; edit that instead.
{
  network = {
    description = "Shop, its parts apart";
    enableRollback = true;
    nixpkgs = ../minios;
  };

  # logical.cue:8
  defaults = {
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
    ];
    system.stateVersion = "24.11";
  };

  # logical.cue:15
  web = {
    deployment = {
      targetHost = "192.0.2.11";
      targetEnv = "none";
    };
    networking.hostName = "web";
    networking.firewall.allowedTCPPorts = [ 80 ];
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/5e2f7a10-93c4-4b7b-8c59-3c1d6a0e7a11";
      fsType = "ext4";
    };
    services.httpd = {
      enable = true;
      adminAddr = "admin@example.org";
    };
    environment.variables.DATABASE = "192.0.2.12:5432";
  };

  # logical.cue:27
  db = {
    deployment = {
      targetHost = "192.0.2.12";
      targetEnv = "none";
    };
    networking.hostName = "db";
    networking.firewall.allowedTCPPorts = [ 5432 ];
    fileSystems."/" = {
      device = "/dev/nvme0n1p2";
      fsType = "ext4";
    };
    fileSystems."/var/lib/postgresql" = {
      device = "/dev/nvme1n1p1";
      fsType = "xfs";
      options = [ "noatime" ];
    };
    services.postgresql = {
      enable = true;
      enableTCPIP = true;
      ensureDatabases = [ "shop" ];
    };
  };
}
