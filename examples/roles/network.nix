# Written by muster compile from hosts.cue; edit that instead.
let
  # hosts.cue:9
  webServerRole = {
    services.nginx.enable = true;
    networking.firewall.allowedTCPPorts = [ 80 ];
  };

  # hosts.cue:13
  databaseRole =
    { lib, ... }:
    {
      services.postgresql = {
        enable = true;
        ensureDatabases = lib.mkDefault [ "app" ];
      };
    };

  # hosts.cue:18
  watchedRole = {
    imports = [ ./watched.nix ];
  };
in
{
  network = {
    description = "Three kinds of machine";
    enableRollback = true;
    nixpkgs = ../minios;
  };

  # hosts.cue:21
  defaults = {
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
    ];
    system.stateVersion = "24.11";
  };

  # hosts.cue:34
  web1 = {
    imports = [
      webServerRole
      watchedRole
    ];

    deployment = {
      targetHost = "192.0.2.21";
      targetEnv = "none";
    };
    networking.hostName = "web1";
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
  };

  # hosts.cue:35
  web2 = {
    imports = [
      webServerRole
      watchedRole
    ];

    deployment = {
      targetHost = "192.0.2.22";
      targetEnv = "none";
    };
    networking.hostName = "web2";
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
  };

  # hosts.cue:36
  db = {
    imports = [
      databaseRole
      watchedRole
    ];

    deployment = {
      targetHost = "192.0.2.23";
      targetEnv = "none";
    };
    networking.hostName = "db";
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    services.postgresql.ensureDatabases = [
      "app"
      "reports"
    ];
  };

  # hosts.cue:42
  mail = {
    imports = [ watchedRole ];

    deployment = {
      targetHost = "192.0.2.24";
      targetEnv = "none";
    };
    networking.hostName = "mail";
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
  };
}
