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

      colmena = {
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
    };
}
