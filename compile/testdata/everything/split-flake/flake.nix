# Written by muster compile from hosts.cue; edit that instead.
{
  description = "one of everything";
  inputs.nixpkgs.url = "github:NixOS/nixpkgs/0123456789abcdef0123456789abcdef01234567?narHash=sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA%3D";

  outputs =
    { self, nixpkgs }:
    let
      defaults = ./defaults.nix;

      hosts = {
        vps = ./hosts/vps.nix;
        db = ./hosts/db.nix;
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
    };
}
