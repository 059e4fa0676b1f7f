# Written by muster compile from hosts.toml; edit that instead.
{
  description = "kubernetes cluster";
  inputs.nixpkgs.url = "nixpkgs";
  inputs.deploy-rs.url = "github:serokell/deploy-rs";

  outputs =
    {
      self,
      nixpkgs,
      deploy-rs,
    }:
    let
      # hosts.toml:1
      kubernetesMaster =
        { pkgs, ... }:
        {
          networking.extraHosts = "192.168.10.121 il";
          environment.systemPackages = [
            pkgs.kubernetes
            pkgs.kubectl
          ];
          services.kubernetes = {
            roles = [
              "master"
              "node"
            ];
            masterAddress = "il";
            easyCerts = true;
            apiserver = {
              securePort = 443;
              advertiseAddress = "192.168.10.121";
            };
            addons.dns.enable = true;
          };
        };

      # hosts.toml:1
      kubernetesNode =
        { pkgs, ... }:
        {
          networking.extraHosts = "192.168.10.121 il";
          environment.systemPackages = [
            pkgs.kubernetes
            pkgs.kubectl
          ];
          services.kubernetes = {
            roles = [ "node" ];
            masterAddress = "il";
            easyCerts = true;
            apiserverAddress = "https://il:443";
            kubelet.kubeconfig.server = "https://il:443";
            addons.dns.enable = true;
          };
        };

      defaults = { };

      hosts = {
        # hosts.toml:3
        il = {
          imports = [ kubernetesMaster ];

          networking.hostName = "il";
          fileSystems."/" = {
            device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
            fsType = "ext4";
          };
        };

        # hosts.toml:6
        ee = {
          imports = [ kubernetesNode ];

          networking.hostName = "ee";
          fileSystems."/" = {
            device = "/dev/disk/by-uuid/7278ee48-598d-40fd-9765-a0b0db9ba1d9";
            fsType = "ext4";
          };
        };

        # hosts.toml:9
        sam = {
          imports = [ kubernetesNode ];

          networking.hostName = "sam";
          fileSystems."/" = {
            device = "/dev/disk/by-uuid/f433b748-e485-4668-a7fd-fc5d92fbd682";
            fsType = "ext4";
          };
        };
      };

      hive = {
        meta = {
          description = "kubernetes cluster";
          nixpkgs = import nixpkgs { system = "x86_64-linux"; };
        };
        inherit defaults;
        il = {
          imports = [ hosts.il ];
          deployment.targetHost = "192.168.10.121";
        };
        ee = {
          imports = [ hosts.ee ];
          deployment.targetHost = "192.168.10.122";
        };
        sam = {
          imports = [ hosts.sam ];
          deployment.targetHost = "192.168.10.123";
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
            il = {
              hostname = "192.168.10.121";
              fastConnection = true;
            };
            ee = {
              hostname = "192.168.10.122";
              fastConnection = true;
            };
            sam = {
              hostname = "192.168.10.123";
              fastConnection = true;
            };
          };
    };
}
