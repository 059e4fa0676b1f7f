# Evaluates the network expression of a fleet to its NixOS systems. It uses only
# what NixOS has had since 2014, so that it works with any nixpkgs of the fleet.
{
  network,
  hosts ? null,
  attr ? null,
  # Evaluate each host separately: its memory can be freed afterwards, but hosts
  # that refer to it evaluate it again. With attr, the value is JSON.
  apart ? false,
  # Selects a part of the network. An evaluator may replace it to observe this.
  part ? (set: name: set.${name}),
  # Selects what belongs to one host: its system that a flake defines, its special
  # arguments. An evaluator may replace it to free that afterwards.
  pick ? (set: name: set.${name}),
}:

let
  net = if builtins.isAttrs network then network else import network;

  # network in NixOps and morph, meta in colmena; a tree or its package set.
  about = net.network or net.meta or { };
  tree = given: if builtins.isAttrs given && given ? path then given.path else given;
  nixpkgs = tree (about.nixpkgs or about.pkgs or <nixpkgs>);
  lib = import (nixpkgs + "/lib");
  evalConfigOf = nixpkgs: import (nixpkgs + "/nixos/lib/eval-config.nix");
  # Shared, so that it is read once.
  evalConfig = evalConfigOf nixpkgs;

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

  # deployment.* accepts any value: the inventory has been checked. What the inventory
  # says of it is not defined but added, so that what modules define is seen at every
  # priority.
  deploymentOptions =
    { config, ... }:
    {
      _file = "muster";
      options.deployment = lib.mkOption {
        type = lib.types.attrsOf lib.types.unspecified;
        default = { };
        description = "How the host is reached and deployed.";
        apply = given: given // config._deployment;
      };
      options._deployment = lib.mkOption {
        type = lib.types.attrsOf lib.types.unspecified;
        default = { };
        internal = true;
        visible = false;
      };
    };

  # The module of a host with its deployment apart from what modules define.
  apartFrom =
    module:
    let
      moved =
        set:
        if set ? deployment then removeAttrs set [ "deployment" ] // { _deployment = set.deployment; } else set;
    in
    if builtins.isFunction module then
      # It takes some of these; NixOS gives a module those that it names.
      {
        config,
        lib,
        name,
        nodes,
        pkgs,
        ...
      }@args:
      moved (module args)
    else
      moved module;

  # What modules say to other deployers. It has no effect here.
  unheard =
    name: self:
    let
      instead = {
        keys = "secrets of the inventory take their place";
        tags = "tags of the inventory select hosts";
        healthChecks = "health of the inventory checks hosts";
        targetHost = "host of the inventory is the address";
        targetUser = "user of the inventory logs in";
        targetPort = "port of the inventory is taken";
      };
      place =
        file: value: attr:
        let
          pos = builtins.unsafeGetAttrPos attr value;
        in
        if pos == null then toString file else "${pos.file}:${toString pos.line}:${toString pos.column}";
      of =
        { file, value }:
        if !(builtins.isAttrs value) then
          [ "deployment of ${toString file} has no effect: it is no set" ]
        else
          map (
            attr:
            "deployment.${attr} of ${place file value attr} has no effect"
            + (if instead ? ${attr} then ": ${instead.${attr}}" else ": muster has no such setting")
          ) (builtins.attrNames value);
      definitions = self.options.deployment.definitionsWithLocations or [ ];
      nixinate = (self._module or { args = { }; }).args.nixinate or { };
      # Options that another deployer declares, and somebody else sets.
      declared =
        path:
        let
          options = builtins.foldl' (set: name: set.${name} or { }) (self.options or { }) path;
          setIn = option: builtins.filter (file: !builtins.elem file (option.declarations or [ ])) (option.files or [ ]);
          set = builtins.filter (
            name: (options.${name}._type or "") == "option" && setIn options.${name} != [ ]
          ) (builtins.attrNames options);
        in
        map (
          name:
          "${builtins.concatStringsSep "." path}.${name} of ${toString (builtins.head (setIn options.${name}))} has no effect: the inventory takes its place"
        ) set;
    in
    # Each once: a role may be that of several definitions.
    builtins.attrNames (
      builtins.listToAttrs (
        map (text: {
          name = builtins.unsafeDiscardStringContext text;
          value = null;
        }) (builtins.concatLists (map of definitions))
      )
    )
    # A system of a flake is what the flake makes of them.
    ++ (
      if about ? systems.${name} then
        [ ]
      else
        map (
          attr:
          "nixinate.${attr} of _module.args at ${place "a module" nixinate attr} has no effect: host, user, build_on and substitute of the inventory take its place"
        ) (builtins.attrNames nixinate)
        ++ declared [ "lollypops" "deployment" ]
        ++ declared [ "lollypops" "secrets" ]
        ++ declared [ "clan" "core" "networking" ]
    );

  specialArgsOf =
    name:
    (about.specialArgs or { })
    // (if about ? nodeSpecialArgs.${name} then pick about.nodeSpecialArgs name else { });

  # A host that a flake defines, with what the inventory adds to it.
  extended =
    name: system:
    let
      added = builtins.filter ({ module, ... }: builtins.isFunction module || module != { }) [
        {
          file = "defaults of the fleet";
          module = net.defaults or { };
        }
        {
          file = "host ${name}";
          module = part net name;
        }
      ];
    in
    if added == [ ] then
      system
    else
      system.extendModules {
        modules = map (
          { file, module }:
          {
            _file = file;
            imports = [ module ];
          }
        ) added;
        specialArgs = specialArgsOf name;
      };

  node =
    nodes: name:
    if about ? systems.${name} then
      extended name (pick about.systems name)
    else
    (
      if about ? nodeNixpkgs.${name} then evalConfigOf (tree about.nodeNixpkgs.${name}) else evalConfig
    )
      {
      system = "x86_64-linux";
      modules = [
        deploymentOptions
        {
          _file = "defaults of the fleet";
          imports = [ (net.defaults or { }) ];
        }
        {
          _file = "host ${name}";
          imports = [ (apartFrom (part net name)) ];
        }
      ];
      specialArgs = specialArgsOf name // { inherit name nodes; };
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
        let
          # What is no system of NixOS is a derivation.
          toplevel = self.config.system.build.toplevel or self;
        in
        rec {
          # Not called drvPath and outPath: a set with outPath is a string in JSON.
          drv = toplevel.drvPath;
          out = toplevel.outPath;
          warnings =
            self.config.warnings or [ ]
            ++ unheard name self
            ++ (
              if self.config.system.autoUpgrade.enable or false then
                [ "system.autoUpgrade is on: the host upgrades itself and then differs from the inventory; use upgrade of the inventory" ]
              else
                [ ]
            );
          # All of it as one string, for evaluators that free the rest.
          summary = builtins.toJSON { inherit drv out warnings; };
        };
  }) wanted
)
