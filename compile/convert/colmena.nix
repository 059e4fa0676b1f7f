# The nodes of a colmena hive as NixOS systems, by name, evaluated as colmena does.
# Of keys, only the options are here: the secrets of the inventory take their place.
{
  # The hive: a set, or a function to one.
  hive,
  # The function that makes the options of a key.
  keyOptions,
}:
let
  given = if builtins.isFunction hive || hive ? __functor then hive { } else hive;
  about = given.meta or given.network or { };
  meta = {
    nixpkgs = <nixpkgs>;
    nodeNixpkgs = { };
    specialArgs = { };
    nodeSpecialArgs = { };
  }
  // about;

  # A package set, from one, a tree of nixpkgs, or the function that makes one.
  packages =
    from:
    if builtins.isPath from || (builtins.isAttrs from && from ? outPath && !(from ? path)) then
      packages (import from)
    else if builtins.isFunction from then
      from { overlays = [ ]; }
    else
      from;

  names = builtins.attrNames (
    builtins.removeAttrs given [
      "meta"
      "network"
      "defaults"
    ]
  );
  modulesOf = name: if builtins.isList given.${name} then given.${name} else [ given.${name} ];

  # What meta says of packages comes before what modules say.
  packagesModule =
    pkgs:
    { lib, ... }:
    {
      nixpkgs.overlays = lib.mkBefore pkgs.overlays;
      nixpkgs.config =
        if lib.versionAtLeast lib.version "22.11pre" then
          lib.mkBefore pkgs.config
        else
          lib.mkOptionDefault pkgs.config;
    };

  key =
    {
      lib,
      name,
      config,
      ...
    }:
    {
      options = keyOptions { inherit lib name config; } // {
        uploadAt = lib.mkOption {
          type = lib.types.enum [
            "pre-activation"
            "post-activation"
          ];
          default = "pre-activation";
        };
      };
    };

  deploymentModule =
    { name, lib, ... }:
    let
      option = type: default: lib.mkOption { inherit type default; };
      inherit (lib) types;
    in
    {
      _file = "colmena";
      options.deployment = {
        targetHost = option (types.nullOr types.str) name;
        targetPort = option (types.nullOr types.ints.unsigned) null;
        targetUser = option (types.nullOr types.str) "root";
        allowLocalDeployment = option types.bool false;
        buildOnTarget = option types.bool false;
        tags = option (types.listOf types.str) [ ];
        keys = option (types.attrsOf (types.submodule key)) { };
        replaceUnknownProfiles = option types.bool true;
        privilegeEscalationCommand = option (types.listOf types.str) [
          "sudo"
          "-H"
          "--"
        ];
        sshOptions = option (types.listOf types.str) [ ];
      };
    };

  evaluate =
    nodes: name: modules:
    let
      pkgs = packages (meta.nodeNixpkgs.${name} or meta.nixpkgs);
    in
    import (pkgs.path + "/nixos/lib/eval-config.nix") {
      inherit (pkgs) system;
      modules = [
        (packagesModule pkgs)
        deploymentModule
        (given.defaults or { })
      ]
      ++ modules;
      specialArgs = {
        inherit name nodes;
      }
      // meta.specialArgs
      // meta.nodeSpecialArgs.${name} or { };
    };

  each =
    f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  # What modules see of other nodes is not checked for options that do not exist.
  unchecked = each (name: evaluate unchecked name ([ { _module.check = false; } ] ++ modulesOf name));
in
each (name: evaluate unchecked name (modulesOf name))
