{
  description = "A NixOS small enough to read in an hour";

  outputs =
    { self }:
    let
      lib = import ./lib;
      systems = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    in
    {
      lib = lib // {
        nixosSystem =
          args:
          import ./nixos/lib/eval-config.nix (
            {
              inherit lib;
              system = null;
            }
            // args
          );
      };
      legacyPackages = lib.genAttrs systems (system: import ./. { inherit system; });
    };
}
