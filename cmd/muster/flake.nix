{
  description = "muster deploys a fleet of NixOS machines from a typed inventory";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs =
    { self, nixpkgs }:
    let
      each = nixpkgs.lib.genAttrs [
        "x86_64-linux"
        "aarch64-linux"
        "x86_64-darwin"
        "aarch64-darwin"
      ];
      package = pkgs: pkgs.callPackage ./package.nix { };
    in
    {
      packages = each (system: rec {
        muster = package nixpkgs.legacyPackages.${system};
        default = muster;
      });
      overlays.default = final: _: { muster = package final; };
    };
}
