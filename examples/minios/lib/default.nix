# The library: plain Nix, nothing built. Names are those of nixpkgs' lib, so
# that a module written for NixOS finds here what it expects; only what real
# modules use is present. Each file is a set of functions; `lib` is their sum.
let
  lib = fixed // groups // builtins.foldl' (all: name: all // groups.${name}) { } (builtins.attrNames flat);

  groups = {
    trivial = import ./trivial.nix { inherit lib; };
    lists = import ./lists.nix { inherit lib; };
    attrsets = import ./attrsets.nix { inherit lib; };
    strings = import ./strings.nix { inherit lib; };
    generators = import ./generators.nix { inherit lib; };
    options = import ./options.nix { inherit lib; };
    types = import ./types.nix { inherit lib; };
    modules = import ./modules.nix { inherit lib; };
    fixedPoints = import ./fixed-points.nix { inherit lib; };
    meta = import ./meta.nix { inherit lib; };
  };

  # The groups whose functions are also reachable directly below lib.
  flat = removeAttrs groups [
    "generators"
    "types"
  ];

  fixed = {
    inherit (groups.meta) licenses platforms maintainers;
  };
in
lib
