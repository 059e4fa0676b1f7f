# Written by muster compile from hosts.cue; edit that instead.
let
  nixpkgs = builtins.fetchTarball {
    url = "https://github.com/NixOS/nixpkgs/archive/0123456789abcdef0123456789abcdef01234567.tar.gz";
    sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };

  # Undoes changes of morph that other tools do not make: it adds the list of its
  # health checks to every system, and sets no nixpkgs.system.
  plainSystem =
    { lib, ... }:
    {
      options.system.extraDependencies = lib.mkOption {
        apply = builtins.filter (path: path.name or "" != "healthcheck-commands.txt");
      };
      config.nixpkgs.system = lib.mkDefault "x86_64-linux";
    };

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
    lib = import (nixpkgs + "/lib");
    evalConfig = nixpkgs + "/nixos/lib/eval-config.nix";
    inherit (import nixpkgs { system = "x86_64-linux"; }) runCommand;
  };

  # hosts.cue:17
  defaults = {
    imports = [
      plainSystem
      ./base.nix
    ];

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
        tags = [
          "prod"
          "eu"
        ];
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
      deployment.targetHost = "2001:db8::1";
      networking.hostName = "db";
      networking.nameservers = [ nodes.vps.config.deployment.targetHost ];
    };
}
