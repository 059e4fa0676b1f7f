# Written by muster compile from hosts.cue, outputs.json; edit that instead.
{
  network = {
    description = "Made by tofu";
    enableRollback = true;
    nixpkgs = ../minios;
  };

  # hosts.cue:12
  defaults = {
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
    ];
    system.stateVersion = "24.11";
  };

  # hosts.cue:21
  web-a = {
    deployment = {
      targetHost = "198.51.100.7";
      targetEnv = "none";
    };
    networking.hostName = "web-a";
    networking.firewall.allowedTCPPorts = [ 80 ];
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    services.nginx.enable = true;
  };

  # hosts.cue:21
  web-b = {
    deployment = {
      targetHost = "2001:db8::b";
      targetEnv = "none";
    };
    networking.hostName = "web-b";
    networking.firewall.allowedTCPPorts = [ 80 ];
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    services.nginx.enable = true;
  };

  # hosts.cue:30
  db = {
    deployment = {
      targetHost = "10.0.1.5";
      targetEnv = "none";
    };
    networking.hostName = "db";
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
  };
}
