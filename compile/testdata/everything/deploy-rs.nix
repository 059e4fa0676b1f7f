# Written by muster compile from hosts.cue; edit that instead.
{
  description = "one of everything";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/0123456789abcdef0123456789abcdef01234567?narHash=sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D";
  inputs.deploy-rs.url = "github:serokell/deploy-rs";

  outputs =
    {
      self,
      nixpkgs,
      deploy-rs,
    }:
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

      # hosts.cue:17
      defaults = {
        imports = [ ./base.nix ];

        time.timeZone = "Europe/Berlin";
        services.openssh.enable = true;
      };

      hosts = {
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
            networking.hostName = "db";
            networking.nameservers = [ nodes.vps.config.deployment.targetHost ];
          };
      };

      hive = {
        meta = {
          description = "one of everything";
          nixpkgs = import nixpkgs { system = "x86_64-linux"; };
        };
        inherit defaults;
        vps = {
          imports = [ hosts.vps ];
          deployment = {
            targetHost = "vps.example.org";
            targetPort = 2222;
            targetUser = "deploy";
            tags = [
              "prod"
              "eu"
            ];
            buildOnTarget = true;
          };
        };
        db = {
          imports = [ hosts.db ];
          deployment.targetHost = "2001:db8::1";
        };
      };
    in
    {
      nixosConfigurations = builtins.mapAttrs (
        name: host:
        nixpkgs.lib.nixosSystem {
          system = "x86_64-linux";
          specialArgs = {
            inherit name;
            nodes = self.nixosConfigurations;
          };
          modules = [
            defaults
            host
          ];
        }
      ) hosts;

      colmena = hive;

      # What colmena 0.5 reads: the hosts as they are, and how they are reached.
      colmenaHive = rec {
        __schema = "v0.5";
        nodes = self.nixosConfigurations;
        toplevel = builtins.mapAttrs (name: node: node.config.system.build.toplevel) nodes;
        metaConfig = {
          inherit (hive.meta) description;
          machinesFile = null;
          allowApplyAll = true;
        };
        deploymentConfig = builtins.mapAttrs (
          name: host:
          {
            targetHost = name;
            targetUser = "root";
            targetPort = null;
            tags = [ ];
            sshOptions = [ ];
            keys = { };
            allowLocalDeployment = false;
            buildOnTarget = false;
            replaceUnknownProfiles = true;
            privilegeEscalationCommand = [
              "sudo"
              "-H"
              "--"
            ];
          }
          // hive.${name}.deployment
        ) hosts;
        deploymentConfigSelected =
          names: builtins.intersectAttrs (builtins.groupBy (name: name) names) deploymentConfig;
        evalSelected = names: builtins.intersectAttrs (builtins.groupBy (name: name) names) toplevel;
        evalSelectedDrvPaths = names: builtins.mapAttrs (name: system: system.drvPath) (evalSelected names);
        introspect =
          f:
          f {
            inherit nodes;
            inherit (nixpkgs) lib;
            pkgs = hive.meta.nixpkgs;
          };
      };

      # What deploy-rs reads: how hosts are reached, and their systems with what activates them.
      deploy.nodes =
        builtins.mapAttrs
          (
            name: node:
            let
              system = self.nixosConfigurations.${name};
              inherit (deploy-rs.lib.${system.pkgs.stdenv.hostPlatform.system}) activate;
            in
            node
            // {
              profiles.system = {
                user = "root";
                path = activate.nixos system;
              };
            }
          )
          {
            vps = {
              hostname = "vps.example.org";
              sshUser = "deploy";
              sshOpts = [
                "-p"
                "2222"
              ];
              fastConnection = true;
              remoteBuild = true;
            };
            db = {
              hostname = "2001:db8::1";
              fastConnection = true;
            };
          };
    };
}
