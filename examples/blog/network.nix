# Written by muster compile from hosts.cue; edit that instead.
{
  network = {
    description = "Blog";
    enableRollback = true;
    nixpkgs = ../minios;
  };

  # hosts.cue:21
  blog =
    { pkgs, ... }:
    {
      deployment = {
        targetHost = "blog.example.org";
        targetUser = "admin";
        targetEnv = "none";
      };
      networking.hostName = "blog";
      networking.domain = "example.org";
      networking.firewall.allowedTCPPorts = [
        80
        443
      ];
      networking.useDHCP = false;
      networking.interfaces.ens3.ipv4.addresses = [
        {
          address = "203.0.113.20";
          prefixLength = 24;
        }
      ];
      networking.defaultGateway = "203.0.113.1";
      networking.nameservers = [ "9.9.9.9" ];
      fileSystems."/".device = "/dev/disk/by-label/nixos";
      fileSystems."/boot" = {
        device = "/dev/disk/by-label/boot";
        fsType = "vfat";
        options = [ "umask=0077" ];
      };
      boot.loader = {
        systemd-boot.enable = true;
        efi.canTouchEfiVariables = true;
      };
      time.timeZone = "Europe/Berlin";
      services.caddy = {
        enable = true;
        email = "admin@example.org";
        virtualHosts."blog.example.org" = {
          serverAliases = [ "www.example.org" ];
          extraConfig = "reverse_proxy 127.0.0.1:2368";
        };
      };
      services.openssh.enable = true;
      virtualisation.podman.enable = true;
      virtualisation.oci-containers = {
        backend = "podman";
        containers.ghost = {
          image = "docker.io/library/ghost:5.94.0-alpine";
          ports = [ "127.0.0.1:2368:2368" ];
          volumes = [ "/var/lib/ghost:/var/lib/ghost/content" ];
          environment = {
            url = "https://blog.example.org";
            database__client = "sqlite3";
          };
        };
      };
      systemd.tmpfiles.rules = [ "d /var/lib/ghost 0755 1000 1000 -" ];
      users.mutableUsers = false;
      users.users.admin = {
        isNormalUser = true;
        extraGroups = [ "wheel" ];
        packages = [ pkgs.htop ];
        openssh.authorizedKeys.keys = [
          "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
        ];
      };
      security.sudo.wheelNeedsPassword = false;
      nix.settings.trusted-users = [ "@wheel" ];
      nix.gc = {
        automatic = true;
        dates = "weekly";
      };
      system.stateVersion = "24.11";
    };
}
