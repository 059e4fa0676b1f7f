# Written by muster compile from hosts.cue; edit that instead.
let
  # hosts.cue:6
  webRole =
    {
      config,
      lib,
      pkgs,
      ...
    }:
    {
      services.httpd = {
        enable = true;
        adminAddr = "admin@example.org";
        virtualHosts."example.org".documentRoot = "${pkgs.valgrind.doc}/share";
      };
      networking.firewall.allowedTCPPorts = lib.mkMerge [
        [ 80 ]
        (lib.mkIf config.services.httpd.enable [ 443 ])
      ];
    };
in
{
  network = {
    description = "one of everything";
    enableRollback = true;
    # For NixOps 2. NixOps 1.7 wants -I nixpkgs=… instead, and prints all of
    # network down to derivations: the type keeps it from printing nixpkgs.
    nixpkgs =
      import (builtins.fetchTarball {
        url = "https://github.com/NixOS/nixpkgs/archive/0123456789abcdef0123456789abcdef01234567.tar.gz";
        sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
      }) { system = "x86_64-linux"; }
      // {
        type = "derivation";
      };
  };

  # hosts.cue:17
  defaults = {
    imports = [ ./base.nix ];

    time.timeZone = "Europe/Berlin";
    services.openssh.enable = true;
  };

  # hosts.cue:26
  vps =
    { lib, pkgs, ... }:
    {
      imports = [
        webRole
        (
          { pkgs, ... }:
          {
            # kept as it is
            programs.git.package = pkgs.git;
          }
        )
      ];

      deployment = {
        targetHost = "vps.example.org";
        targetPort = 2222;
        targetUser = "deploy";
        targetEnv = "none";
      };
      networking.hostName = "vps";
      networking.firewall.enable = lib.mkForce true;
      nixpkgs.hostPlatform = "aarch64-linux";
      fileSystems."/" = {
        device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
        fsType = "ext4";
      };
      fileSystems."/boot" = {
        device = "/dev/vda1";
        fsType = "vfat";
        options = [ "umask=0077" ];
      };
      swapDevices = [
        {
          device = "/swapfile";
          size = 2048;
        }
      ];
      environment.systemPackages = [
        pkgs.htop
        (pkgs.hello.overrideAttrs (_: {
          doCheck = false;
        }))
      ];
      environment.etc = {
        motd.text = ''
          Welcome to ''${HOSTNAME}.
            Mind the '''gap'''.'';
        "odd name".source = ./motd;
      };
      services.x = {
        a = null;
        b = -1;
        c = 1.5;
        d = [ ];
        e = { };
        "with" = "keyword";
      };
      boot.kernelParams = lib.mkBefore [ "quiet" ];
      boot.tmp.cleanOnBoot = lib.mkDefault true;
      boot.kernel.sysctl."vm.swappiness" = lib.mkOverride 40 10;
    };

  # hosts.cue:60
  db =
    { nodes, ... }:
    {
      deployment = {
        targetHost = "2001:db8::1";
        targetEnv = "none";
      };
      networking.hostName = "db";
      networking.nameservers = [ nodes.vps.config.deployment.targetHost ];
    };
}
