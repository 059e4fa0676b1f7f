# A stand-in for nixpkgs: the library is nixpkgs' own (the driver copies it to ./lib), every package is a derivation
# that holds its own arguments, and NixOS is one module that takes any option.
{
  outputs =
    { self }:
    let
      systems = [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      lib = (import ./lib).extend (
        final: _: {
          nixos = import ./nixos/lib { lib = final; };
          nixosSystem =
            args:
            import ./nixos/lib/eval-config.nix (
              {
                lib = final;
                system = null;
              }
              // args
            );
        }
      );
    in
    {
      inherit lib;
      legacyPackages = lib.genAttrs systems (system: import ./. { inherit system; });
      nixosModules.notDetected = ./nixos/modules/installer/scan/not-detected.nix;
      nixosModules.readOnlyPkgs = { };
      htmlDocs = { };
    };
}
