# The activation script: what has to be done to a running machine so that it
# is this system. Snippets are ordered by their dependencies, then by name;
# one that fails does not keep the others from running, as on NixOS.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  scripts = config.system.activationScripts;

  # The names of scripts, each after those it depends on.
  ordered =
    let
      visit =
        seen: name:
        if builtins.elem name seen then seen else builtins.foldl' visit seen scripts.${name}.deps ++ [ name ];
    in
    builtins.foldl' visit [ ] (builtins.attrNames scripts);

  faults = config.minios.activation;
in
{
  options.system.activationScripts = mkOption {
    default = { };
    example = {
      motd = {
        deps = [ "etc" ];
        text = "echo hello > /run/motd";
      };
    };
    description = "Shell snippets run when the system is activated, and at boot. They must be idempotent.";
    type = types.attrsOf (
      types.coercedTo types.str (text: { inherit text; }) (
        types.submodule {
          options = {
            text = mkOption {
              type = types.lines;
              description = "The snippet.";
            };
            deps = mkOption {
              type = types.listOf types.str;
              default = [ ];
              description = "Snippets that must have run before.";
            };
            supportsDryActivation = mkOption {
              type = types.bool;
              default = false;
              description = "Accepted for NixOS's sake; dry-activate never runs snippets here.";
            };
          };
        }
      )
    );
  };
  options.system.activationScripts' = mkOption {
    type = types.attrsOf types.str;
    internal = true;
    description = "The whole script.";
  };

  # How tests make an activation go wrong.
  options.minios = {
    activation = {
      fail = mkOption {
        type = types.bool;
        default = false;
        description = "Make the activation script fail after it has done its work: switch exits 2.";
      };
      hang = mkOption {
        type = types.either types.bool types.ints.unsigned;
        default = false;
        description = "Make the activation script wait for ever (true), or for so many seconds.";
      };
      print = mkOption {
        type = types.ints.unsigned;
        default = 0;
        description = "Make the activation script print so many MiB.";
      };
    };
    shell = mkOption {
      type = types.str;
      default = "/bin/sh";
      description = "What runs the activation script, on a machine that has no /bin/sh before it.";
    };
    initInterfaceVersion = mkOption {
      type = types.int;
      default = 2;
      description = "Another number than that of the running system: switch and test exit 100, for only a restart makes the change.";
    };
    failUnits = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "httpd.service" ];
      description = "Units that do not start: switch exits 4.";
    };
  };

  config.system.activationScripts = {
    var = ''
      mkdir -p /var/lib /var/log/minios /run /tmp
    '';
    hostname = lib.mkIf (config.networking.hostName != "") {
      text = ''
        mkdir -p /run/minios
        printf '%s\n' ${config.networking.hostName} > /run/minios/hostname
        [ -z "$systemd" ] || hostname ${config.networking.hostName}
      '';
    };
    minios-print = lib.mkIf (faults.print > 0) ''
      i=0
      while [ $i -lt ${toString (faults.print * 1024)} ]; do
        printf '%1023s\n' "minios: line $i of a talkative activation"
        i=$((i + 1))
      done
    '';
    minios-hang = lib.mkIf (faults.hang != false) {
      deps = [ "etc" ];
      text =
        if faults.hang == true then
          "while :; do sleep 1; done"
        else
          "sleep ${toString faults.hang}";
    };
    minios-fail = lib.mkIf faults.fail {
      deps = [ "etc" ];
      text = ''
        echo "minios: this activation was told to fail" >&2
        false
      '';
    };
  };

  config.system.activationScripts'.activate = ''
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin
    status=0
    # Whether systemd runs, or will when this is done.
    systemd=''${MINIOS_BOOTING:-}
    if [ -d /run/systemd/system ] && [ "$(cat /proc/1/comm)" = systemd ]; then systemd=yes; fi
    # Not `( … ) || …': the shell would then go on after errors in a snippet.
    ended() {
      [ "$2" -eq 0 ] && return
      status=1
      echo "Activation script snippet '$1' failed ($2)" >&2
    }
    ${lib.concatMapStrings (name: ''

      (
      set -e
      ${scripts.${name}.text})
      ended ${name} $?
    '') ordered}
    # The running system is this one from here on, even if a snippet failed.
    mkdir -p /run /nix/var/nix/gcroots
    ln -sfn "$systemConfig" /run/.current-system.$$ && mv -T /run/.current-system.$$ /run/current-system
    ln -sfn /run/current-system /nix/var/nix/gcroots/current-system
    [ -e /run/booted-system ] || ln -s "$systemConfig" /run/booted-system
    exit $status
  '';
}
