# The hosts of a morph network as NixOS systems, by name, evaluated as morph does.
{
  # The network: a set.
  network,
}:
let
  about = network.network or { };
  pkgs = about.pkgs or { };
  path = pkgs.path or <nixpkgs>;
  evalConfig = import (about.evalConfig or (path + "/nixos/lib/eval-config.nix"));

  names = builtins.attrNames (
    builtins.removeAttrs network [
      "network"
      "defaults"
      "resources"
      "require"
      "_file"
    ]
  );

  options =
    { lib, ... }:
    let
      inherit (lib) types;
      option = type: default: lib.mkOption { inherit type default; };
      needed = type: lib.mkOption { inherit type; };
      record = options: types.submodule { inherit options; };
      secret = record {
        source = needed types.str;
        destination = needed types.str;
        owner = option (record {
          user = option types.str "root";
          group = option types.str "root";
        }) { };
        permissions = option types.str "0400";
        action = option (types.listOf types.str) [ ];
        mkDirs = option types.bool true;
        uploadAt = option (types.enum [
          "pre-activation"
          "post-activation"
        ]) "pre-activation";
      };
      command = record {
        description = needed types.str;
        cmd = option (types.nullOr (types.listOf types.str)) null;
        period = option types.int 2;
        timeout = option types.int 5;
      };
      http = record {
        description = needed types.str;
        host = option (types.nullOr types.str) null;
        scheme = option types.str "http";
        port = needed types.int;
        path = option types.path "/";
        headers = option (types.attrsOf types.str) { };
        period = option types.int 2;
        timeout = option types.int 5;
        insecureSSL = option types.bool false;
      };
      checks = option (record {
        cmd = option (types.listOf command) [ ];
        http = option (types.listOf http) [ ];
      }) { };
    in
    {
      _file = "morph";
      options.deployment = {
        targetHost = option types.str "";
        targetPort = option (types.nullOr types.int) null;
        targetUser = option types.str "";
        buildOnly = option types.bool false;
        substituteOnDestination = option types.bool false;
        secrets = option (types.attrsOf secret) { };
        healthChecks = checks;
        preDeployChecks = checks;
        tags = option (types.listOf types.str) [ ];
      };
    };

  # morph keeps what checks run in the system's closure.
  closure =
    {
      config,
      lib,
      pkgs,
      ...
    }:
    let
      checks = config.deployment.preDeployChecks.cmd ++ config.deployment.healthChecks.cmd;
      words = lib.concatMap (check: check.cmd) checks;
    in
    {
      _file = "morph";
      system.extraDependencies = [
        (pkgs.writeText "healthcheck-commands.txt" (lib.concatStringsSep "\n" words))
      ];
    };

  evaluate =
    check: nodes: name:
    evalConfig {
      system = null;
      specialArgs = about.specialArgs or { };
      modules = [
        { imports = [ network.${name} ]; }
        (network.defaults or { })
        (
          { lib, ... }:
          {
            _file = "morph";
            key = "morph";
            imports = [
              options
              closure
            ];
            networking.hostName = lib.mkDefault name;
            deployment.targetHost = lib.mkDefault name;
            nixpkgs.pkgs = lib.mkIf (pkgs != { }) (lib.mkDefault pkgs);
            _module = {
              args = {
                inherit name nodes;
              };
              inherit check;
            };
          }
        )
      ];
    };

  each =
    f:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = f name;
      }) names
    );
  # What modules see of other hosts is not checked for options that do not exist.
  unchecked = each (evaluate false unchecked);
in
each (evaluate true unchecked)
