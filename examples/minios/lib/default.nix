# The library: plain Nix, nothing built. Names are those of nixpkgs' lib, so
# that a module written for NixOS finds here what it expects; only what real
# modules use is present. Each file is a set of functions; `lib` is their sum.
let
  lib = builtins.foldl' (all: name: all // flat.${name}) groups (builtins.attrNames flat) // chosen;

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

  # The groups all of whose functions are also reachable directly below lib.
  flat = removeAttrs groups [
    "generators"
    "modules"
    "types"
  ];

  chosen = {
    inherit (groups.lists) replicate;
    inherit (groups.types) isType isOptionType mkOptionType;
    # Of the module system, what modules and their callers need.
    inherit (groups.modules)
      evalModules
      importApply
      mkAfter
      mkAliasOptionModule
      mkAssert
      mkBefore
      mkDefault
      mkDefinition
      mkForce
      mkIf
      mkImageMediaOverride
      mkMerge
      mkOptionDefault
      mkOrder
      mkOverride
      mkRemovedOptionModule
      mkRenamedOptionModule
      mkVMOverride
      setDefaultModuleLocation
      ;
  };
in
lib
