# Written by muster compile from hosts.cue; edit that instead.
{
  network = {
    description = "Shop";
    enableRollback = true;
    nixpkgs = ../minios;
  };

  # hosts.cue:15
  defaults = {
    imports = [ ./greeter.nix ];

    nix.nixPath = [ ];
    nix.settings.trusted-users = [ "@wheel" ];
    documentation.enable = false;
    networking.firewall.allowedTCPPorts = [ 80 ];
    services.openssh = {
      enable = true;
      settings.PasswordAuthentication = false;
    };
    users.users.deploy = {
      isNormalUser = true;
      extraGroups = [ "wheel" ];
      openssh.authorizedKeys.keys = [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
      ];
    };
    security.sudo.wheelNeedsPassword = false;
    system.stateVersion = "24.11";
  };

  # hosts.cue:48
  shop1 = {
    deployment = {
      targetHost = "shop1.example.org";
      targetUser = "deploy";
      targetEnv = "none";
    };
    networking.hostName = "shop1";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/1c1d2a3e-0f6b-4f0e-8a86-0d4c7e5b9f01";
      fsType = "ext4";
    };
  };

  # hosts.cue:53
  shop2 = {
    deployment = {
      targetHost = "shop2.example.org";
      targetUser = "deploy";
      targetEnv = "none";
    };
    networking.hostName = "shop2";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/1c1d2a3e-0f6b-4f0e-8a86-0d4c7e5b9f02";
      fsType = "ext4";
    };
  };

  # hosts.cue:58
  till = {
    deployment = {
      targetHost = "till.example.org";
      targetUser = "deploy";
      targetEnv = "none";
    };
    networking.hostName = "till";
    fileSystems."/" = {
      device = "/dev/disk/by-uuid/1c1d2a3e-0f6b-4f0e-8a86-0d4c7e5b9f03";
      fsType = "ext4";
    };
  };
}
