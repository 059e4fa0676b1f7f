# A blog: caddy in front of a container.
{
  network = {
    description = "Blog";
    enableRollback = true;
  };

  blog =
    { config, pkgs, ... }:
    let
      port = 2368;
    in
    {
      deployment.targetHost = "blog.example.org";
      boot.loader.systemd-boot.enable = true;
      boot.loader.efi.canTouchEfiVariables = true;
      fileSystems."/".device = "/dev/disk/by-label/nixos";
      fileSystems."/boot" = {
        device = "/dev/disk/by-label/boot";
        fsType = "vfat";
        options = [ "umask=0077" ];
      };
      networking = {
        hostName = "blog";
        domain = "example.org";
        firewall.allowedTCPPorts = [
          80
          443
        ];
        useDHCP = false;
        interfaces.ens3.ipv4.addresses = [
          {
            address = "203.0.113.20";
            prefixLength = 24;
          }
        ];
        defaultGateway = "203.0.113.1";
        nameservers = [ "9.9.9.9" ];
      };
      time.timeZone = "Europe/Berlin";
      services.openssh.enable = true;
      services.caddy = {
        enable = true;
        email = "admin@example.org";
        virtualHosts.${config.networking.fqdn} = {
          serverAliases = [ "www.example.org" ];
          extraConfig = "reverse_proxy 127.0.0.1:${toString port}";
        };
      };
      virtualisation.podman.enable = true;
      virtualisation.oci-containers = {
        backend = "podman";
        containers.ghost = {
          image = "docker.io/library/ghost:5.94.0-alpine";
          ports = [ "127.0.0.1:${toString port}:2368" ];
          volumes = [ "/var/lib/ghost:/var/lib/ghost/content" ];
          environment = {
            url = "https://${config.networking.fqdn}";
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
        openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator" ];
      };
      security.sudo.wheelNeedsPassword = false;
      nix.settings.trusted-users = [ "@wheel" ];
      nix.gc.automatic = true;
      nix.gc.dates = "weekly";
      system.stateVersion = "24.11";
    };
}
