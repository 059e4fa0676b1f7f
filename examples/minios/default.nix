# `import <minios> { }` is the package set, as with nixpkgs.
{
  system ? builtins.currentSystem,
  buildSystem ? system, # where it is built
  config ? { },
  overlays ? [ ],
  lib ? import ./lib,
}:
let
  layers = [
    (final: _: import ./pkgs/build.nix { inherit lib buildSystem; pkgs = final; })
    (final: _: import ./pkgs/packages.nix { inherit lib; pkgs = final; })
  ];
  base = final: {
    _type = "pkgs";
    inherit lib config overlays system;
    path = ./.;
    pkgs = final;
    stdenv = {
      hostPlatform = final.hostPlatform;
      buildPlatform = final.buildPlatform;
      targetPlatform = final.hostPlatform;
      isLinux = true;
      isDarwin = false;
      shell = final.runtimeShell;
      inherit system;
      inherit (final) mkDerivation;
    };
    stdenvNoCC = final.stdenv;
    hostPlatform = platform system;
    buildPlatform = platform buildSystem;
    callPackage = lib.callPackageWith final;
    extend = overlay: import ./. { inherit system buildSystem config lib; overlays = overlays ++ [ overlay ]; };
    appendOverlays = more: import ./. { inherit system buildSystem config lib; overlays = overlays ++ more; };
    nixos = configuration: import ./nixos { inherit system configuration; };
  };
  platform = system: rec {
    inherit system;
    config = "${cpu}-unknown-linux-gnu";
    cpu = builtins.head (lib.splitString "-" system);
    isLinux = lib.hasSuffix "-linux" system;
    isDarwin = false;
    isx86_64 = cpu == "x86_64";
    isAarch64 = cpu == "aarch64";
    is64bit = isx86_64 || isAarch64;
    linuxArch = if isAarch64 then "arm64" else cpu;
  };
in
lib.fix (builtins.foldl' (f: overlay: lib.extends overlay f) base (layers ++ overlays))
