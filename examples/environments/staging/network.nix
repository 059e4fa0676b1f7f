# Written by muster compile from shop.cue, hosts.cue; edit that instead.
{
  network = {
    description = "Shop, staging";
    enableRollback = true;
    nixpkgs = ../../minios;
  };

  # shop.cue:16
  defaults = {
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
    ];
    environment.variables.SHOP = "staging";
    system.stateVersion = "24.11";
  };

  # shop.cue:30
  web = {
    deployment = {
      targetHost = "web.staging.example.org";
      targetEnv = "none";
    };
    networking.hostName = "web";
    networking.firewall.allowedTCPPorts = [ 80 ];
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    nix.gc.automatic = true;
    services.caddy = {
      enable = true;
      virtualHosts."staging.example.org".extraConfig = "reverse_proxy app1.staging.example.org:8080";
    };
  };

  # shop.cue:41
  app1 = {
    deployment = {
      targetHost = "app1.staging.example.org";
      targetEnv = "none";
    };
    networking.hostName = "app1";
    networking.firewall.allowedTCPPorts = [ 8080 ];
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
  };
}
