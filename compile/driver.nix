# The network expression of a fleet in, its NixOS systems out. Only what every
# NixOS since 2014 has is used here, so that the fleet chooses its nixpkgs.
{
  network,
  hosts ? null,
  attr ? null,
  # Whether each host is evaluated for itself: nothing keeps what it needed then,
  # but what others read of it is evaluated once more. Of attr it is the JSON.
  apart ? false,
  # Selects a part of the network, for an evaluator that wants to know of it.
  part ? (set: name: set.${name}),
}:

let
  net = if builtins.isAttrs network then network else import network;

  # network of NixOps and morph, meta of colmena; a tree or its package set.
  about = net.network or net.meta or { };
  given = about.nixpkgs or about.pkgs or <nixpkgs>;
  nixpkgs = if builtins.isAttrs given && given ? path then given.path else given;
  lib = import (nixpkgs + "/lib");
  evalConfig = import (nixpkgs + "/nixos/lib/eval-config.nix");

  notHosts = [
    "network"
    "meta"
    "defaults"
    "require"
    "resources"
  ];
  names = part {
    "host names" = builtins.filter (name: !builtins.elem name notHosts) (builtins.attrNames net);
  } "host names";
  wanted = if hosts == null then names else hosts;

  # What deployment.* may hold is the inventory's business, checked there.
  deploymentOptions = {
    _file = "muster";
    options.deployment = lib.mkOption {
      type = lib.types.attrsOf lib.types.unspecified;
      default = { };
      description = "How the host is reached and deployed.";
    };
  };

  node =
    nodes: name:
    evalConfig {
      system = "x86_64-linux";
      modules = [
        deploymentOptions
        {
          _file = "defaults of the fleet";
          imports = [ (net.defaults or { }) ];
        }
        {
          _file = "host ${name}";
          imports = [ (part net name) ];
        }
      ];
      specialArgs = { inherit name nodes; };
    };

  nodes = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = node nodes name;
    }) names
  );
in
builtins.listToAttrs (
  map (name: {
    inherit name;
    value =
      let
        self = if apart then node (nodes // { ${name} = self; }) name else nodes.${name};
        asked = builtins.foldl' (set: key: set.${key}) self attr;
      in
      if attr != null then
        if apart then builtins.toJSON asked else asked
      else
        rec {
          # Not drvPath and outPath: a set with outPath is a string in JSON.
          drv = self.config.system.build.toplevel.drvPath;
          out = self.config.system.build.toplevel.outPath;
          warnings = self.config.warnings or [ ];
          # All of it as one string, for evaluators that forget the rest.
          summary = builtins.toJSON { inherit drv out warnings; };
        };
  }) wanted
)
