# The machines of a NixOps network as NixOS systems, by name, evaluated as NixOps
# does. Of keys, only the options are here: the secrets of the inventory take their
# place. Of resources, there is what the network says of them.
{
  # Network expressions: files, sets, and functions to sets.
  files,
  # The function that makes the options of a key.
  keyOptions,
  # Arguments of the functions.
  args ? { },
  # The flake that the network is an output of, or null.
  flake ? null,
  uuid ? "",
  deploymentName ? "",
}:
let
  call =
    file:
    let
      value = if builtins.isAttrs file || builtins.isFunction file then file else import file;
    in
    (if builtins.isFunction value then value args else value)
    // (if builtins.isAttrs file || builtins.isFunction file then { } else { _file = file; });

  # The expressions, and those that they require.
  networks = map (e: e.value) (
    builtins.genericClosure {
      startSet = map (file: rec {
        key = if builtins.isAttrs file || builtins.isFunction file then "flake" else toString file;
        value = call file;
      }) files;
      operator =
        { value, ... }:
        map (file: {
          key = toString file;
          value = call file;
        }) (value.require or [ ]);
    }
  );
  all = name: builtins.catAttrs name networks;
  first = name: builtins.head (all name);

  system = builtins.currentSystem or "x86_64-linux";
  flakeNixpkgs = if all "nixpkgs" == [ ] then throw "the network has no attribute nixpkgs" else first "nixpkgs";
  about = if all "network" == [ ] then { } else first "network";
  pkgs =
    if flake != null then
      flakeNixpkgs.legacyPackages.${system}
    else
      about.nixpkgs or (import <nixpkgs> { inherit system; });
  evalConfig =
    if flake != null then
      flakeNixpkgs.lib.nixosSystem
    else
      import (pkgs.path + "/nixos/lib/eval-config.nix");

  names = builtins.attrNames (
    builtins.removeAttrs (builtins.foldl' (a: b: a // b) { } networks) [
      "network"
      "defaults"
      "resources"
      "require"
      "nixpkgs"
      "_file"
    ]
  );

  resources =
    builtins.foldl' (
      found: set: found // builtins.mapAttrs (type: defs: (found.${type} or { }) // defs) set
    ) {
      sshKeyPairs = { };
      commandOutput = { };
    } (all "resources")
    // {
      machines = builtins.mapAttrs (_: node: node.config) nodes;
    };

  key =
    {
      lib,
      name,
      config,
      ...
    }:
    {
      options = keyOptions { inherit lib name config; };
    };

  options =
    {
      config,
      lib,
      name,
      ...
    }:
    let
      inherit (lib) types;
      option = type: default: lib.mkOption { inherit type default; };
      needed = type: lib.mkOption { inherit type; };
      # NixOps 1 took a text for a key too.
      keys = types.attrsOf (types.coercedTo types.str (text: { inherit text; }) (types.submodule key));
      # Where machines come from, which plugins make.
      cloud = lib.genAttrs [
        "azure"
        "container"
        "datadog"
        "digitalOcean"
        "droplet"
        "ec2"
        "gce"
        "hcloud"
        "hetzner"
        "libvirtd"
        "linode"
        "none"
        "packet"
        "proxmox"
        "route53"
        "vbox"
        "virtualbox"
        "vultr"
      ] (_: option (types.attrsOf types.unspecified) { });
    in
    {
      _file = "NixOps";
      options = {
        _name = option types.unspecified name;
        _type = option types.unspecified "unknown";
        deployment = cloud // {
          name = needed types.str;
          uuid = needed types.str;
          arguments = needed types.unspecified;
          targetEnv = option types.str "none";
          targetUser = option types.str "root";
          targetHost = needed types.str;
          targetPort = needed types.int;
          provisionSSHKey = option types.bool true;
          sshOptions = option (types.listOf types.str) [ ];
          privilegeEscalationCommand = option (types.listOf types.str) [
            "sudo"
            "-H"
            "--"
          ];
          alwaysActivate = option types.bool true;
          owners = option (types.listOf types.str) [ ];
          hasFastConnection = option types.bool false;
          keys = option keys { };
          autoLuks = option (types.attrsOf types.unspecified) { };
          autoRaid0 = option (types.attrsOf types.unspecified) { };
          encryptedLinksTo = option (types.listOf types.str) [ ];
          storeKeysOnMachine = option types.bool false;
        };
        networking.privateIPv4 = needed types.str;
        networking.publicIPv4 = option (types.nullOr types.str) null;
        networking.vpnPublicKey = option (types.nullOr types.str) null;
      };
      config = {
        _type = "machine";
        deployment.targetHost = lib.mkDefault config.networking.hostName;
        deployment.targetPort = lib.mkDefault (builtins.head config.services.openssh.ports);
      };
    };

  # NixOps makes the directory of keys on every machine.
  directory =
    { lib, pkgs, ... }:
    {
      _file = "NixOps";
      system.activationScripts.nixops-keys =
        let
          script = pkgs.writeText "setup-keys.sh" "mkdir -p /run/keys -m 0750\nchown root:keys /run/keys\n\n\n";
        in
        lib.stringAfter [
          "users"
          "groups"
        ] "source ${script}";
      systemd.services.nixops-keys = {
        enable = false;
        description = "Waiting for NixOps Keys";
        wantedBy = [ "keys.target" ];
        before = [ "keys.target" ];
        unitConfig.DefaultDependencies = false;
        serviceConfig.Type = "oneshot";
        serviceConfig.RemainAfterExit = true;
        script = "while ! [ -e /run/keys/done ]; do\n  sleep 0.1\ndone\n";
      };
    };

  evaluate =
    name:
    evalConfig {
      modules =
        builtins.concatMap (
          network:
          if network ? ${name} then
            [ ({ imports = [ network.${name} ]; } // (if network ? _file then { inherit (network) _file; } else { })) ]
          else
            [ ]
        ) networks
        ++ all "defaults"
        ++ [
          {
            deployment = {
              name = deploymentName;
              arguments = args;
              inherit uuid;
            };
          }
          (
            { lib, ... }:
            {
              _file = "NixOps";
              key = "NixOps";
              imports = [
                options
                directory
              ];
              networking.hostName = lib.mkOverride 900 name;
              deployment.targetHost = lib.mkOverride 900 name;
              nixpkgs.system = lib.mkDefault system;
              _module.args = {
                inherit
                  name
                  nodes
                  resources
                  uuid
                  deploymentName
                  ;
              };
            }
          )
        ];
    };

  nodes = builtins.listToAttrs (
    map (name: {
      inherit name;
      value = evaluate name;
    }) names
  );
in
nodes
