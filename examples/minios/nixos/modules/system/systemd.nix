# Units as systemd reads them: one store path a unit, and trees etc/systemd/system
# and etc/systemd/user of links to them. systemd's own units are the machine's: what
# is said about one of them here is a drop-in.
{
  config,
  lib,
  pkgs,
  utils,
  ...
}:
let
  inherit (lib)
    mkOption
    optionalAttrs
    optionalString
    types
    ;
  cfg = config.systemd;

  value = types.nullOr (types.oneOf [ types.bool types.int types.float types.str types.path ]);
  section = types.attrsOf (types.either value (types.listOf value));
  strings = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  settings = description: mkOption {
    type = section;
    default = { };
    inherit description;
  };

  # [Section] with one line a value; lists give a line for each member.
  render =
    sections:
    lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: keys:
        "[${name}]\n"
        + lib.concatStrings (
          lib.mapAttrsToList (
            key: v: lib.concatMapStrings (x: "${key}=${if builtins.isBool x then lib.boolToString x else toString x}\n") (lib.toList v)
          ) (lib.filterAttrs (_: v: v != null && v != [ ] && v != "") keys)
        )
      ) (lib.filterAttrs (_: keys: keys != { }) sections)
    );

  common = {
    enable = mkOption {
      type = types.bool;
      default = true;
      description = "If not set, the unit is left out.";
    };
    description = mkOption {
      type = types.singleLineStr;
      default = "";
      description = "What the unit is.";
    };
    documentation = strings "Where it is documented.";
    after = strings "Units this one starts after.";
    before = strings "Units this one starts before.";
    requires = strings "Units this one needs.";
    bindsTo = strings "Units this one lives and dies with.";
    partOf = strings "Units whose restart restarts this one.";
    wants = strings "Units started with this one.";
    conflicts = strings "Units that cannot run beside this one.";
    requiredBy = strings "Units that need this one.";
    wantedBy = strings "Units that start this one.";
    aliases = strings "Other names.";
    unitConfig = settings "More of [Unit].";
    restartTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values whose change restarts the unit.";
    };
    reloadTriggers = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "Values whose change reloads the unit.";
    };
    overrideStrategy = mkOption {
      type = types.enum [ "asDropinIfExists" "asDropin" ];
      default = "asDropinIfExists";
      description = "Whether the unit is a drop-in always, or only where systemd has a unit of that name.";
    };
  };
  snippet = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  service = {
    options = common // {
      environment = mkOption {
        type = types.attrsOf (types.nullOr (types.oneOf [ types.str types.path types.package ]));
        default = { };
        description = "Environment variables.";
      };
      path = mkOption {
        type = types.listOf (types.oneOf [ types.package types.str ]);
        default = [ ];
        description = "Packages in the service's PATH.";
      };
      serviceConfig = settings "More of [Service].";
      script = snippet "The service's main process, as a shell script.";
      scriptArgs = mkOption {
        type = types.str;
        default = "";
        description = "Arguments of the script.";
      };
      preStart = snippet "What runs before.";
      postStart = snippet "What runs after it started.";
      preStop = snippet "What runs to stop it.";
      postStop = snippet "What runs after it stopped.";
      reload = snippet "What runs to reload it.";
      restartIfChanged = flag true "Whether a changed unit is restarted on switch.";
      reloadIfChanged = flag false "Whether a changed unit is reloaded on switch.";
      stopIfChanged = flag true "Whether a changed unit is stopped before activation, and started after.";
      notSocketActivated = flag false "Whether a changed unit is started itself, and not only its socket.";
      startAt = mkOption {
        type = types.coercedTo types.str lib.singleton (types.listOf types.str);
        default = [ ];
        example = "daily";
        description = "When the service runs (a timer is made).";
      };
      startLimitBurst = mkOption {
        type = types.nullOr types.int;
        default = null;
        description = "How many starts are allowed.";
      };
      startLimitIntervalSec = mkOption {
        type = types.nullOr types.int;
        default = null;
        description = "In how many seconds.";
      };
      confinement.enable = flag false "Accepted, without effect here.";
    };
  };
  plain = sectionName: {
    options = common // {
      ${sectionName} = settings "More of this unit's own section.";
    };
  };

  unitSection = u: {
    Description = u.description;
    Documentation = toString u.documentation;
    After = toString u.after;
    Before = toString u.before;
    Requires = toString u.requires;
    BindsTo = toString u.bindsTo;
    PartOf = toString u.partOf;
    Wants = toString u.wants;
    Conflicts = toString u.conflicts;
    X-Restart-Triggers = lib.unique (map toString u.restartTriggers);
    X-Reload-Triggers = lib.unique (map toString u.reloadTriggers);
  }
  // u.unitConfig;

  run =
    name: phase: text:
    optionalString (text != "") "${pkgs.writeShellScript "unit-script-${lib.strings.sanitizeDerivationName name}-${phase}" "set -e\n\n${text}"}";
  fails = name: builtins.elem "${name}.service" config.minios.failUnits;
  serviceText =
    name: s:
    render {
      Unit =
        unitSection s
        // optionalAttrs (s.startLimitBurst != null) { StartLimitBurst = s.startLimitBurst; }
        // optionalAttrs (s.startLimitIntervalSec != null) { StartLimitIntervalSec = s.startLimitIntervalSec; };
      Service = {
        Environment = lib.mapAttrsToList (k: v: builtins.toJSON "${k}=${toString v}") (
          lib.filterAttrs (_: v: v != null) (
            # A NixOS service has coreutils and more in its PATH; here they are the machine's.
            optionalAttrs (s.path != [ ]) { PATH = "${lib.makeBinPath s.path}:/usr/sbin:/usr/bin:/sbin:/bin"; }
            // s.environment
          )
        );
        ExecStartPre = run name "pre-start" s.preStart;
        ExecStart = optionalString (s.script != "") "${run name "start" s.script} ${s.scriptArgs}";
        ExecStartPost = run name "post-start" s.postStart;
        ExecReload = run name "reload" s.reload;
        ExecStop = run name "pre-stop" s.preStop;
        ExecStopPost = run name "post-stop" s.postStop;
        X-RestartIfChanged = if s.restartIfChanged then null else "false";
        X-ReloadIfChanged = if s.reloadIfChanged then "true" else null;
        X-StopIfChanged = if s.stopIfChanged then null else "false";
        X-NotSocketActivated = if s.notSocketActivated then "true" else null;
        X-Minios-Fail = if fails name then "true" else null;
      }
      // s.serviceConfig
      // optionalAttrs (fails name) {
        Type = "oneshot";
        Restart = "no";
        ExecStart = run name "fail" "echo minios: this unit was told to fail >&2\nexit 1\n";
      };
    };

  kinds = from: {
    service = {
      set = from.services;
      text = serviceText;
    };
    timer = {
      set = from.timers;
      text = _: u: render { Unit = unitSection u; Timer = u.timerConfig; };
    };
    socket = {
      set = from.sockets;
      text = _: u: render { Unit = unitSection u; Socket = u.socketConfig; };
    };
    path = {
      set = from.paths;
      text = _: u: render { Unit = unitSection u; Path = u.pathConfig; };
    };
    target = {
      set = from.targets;
      text = _: u: render { Unit = unitSection u; };
    };
    slice = {
      set = from.slices or { };
      text = _: u: render { Unit = unitSection u; Slice = u.sliceConfig; };
    };
    mount = {
      set = lib.listToAttrs (
        map (m: lib.nameValuePair (utils.escapeSystemdPath m.where) m) (from.mounts or [ ])
      );
      text =
        _: u:
        render {
          Unit = unitSection u;
          Mount = {
            What = u.what;
            Where = u.where;
            Type = u.type;
            Options = u.options;
          }
          // u.mountConfig;
        };
    };
  };
  # Units that systemd brings, of those that configurations add to.
  upstream =
    map (name: "${name}.target") [
      "basic"
      "default"
      "getty"
      "graphical"
      "local-fs"
      "local-fs-pre"
      "multi-user"
      "network"
      "network-online"
      "network-pre"
      "nss-lookup"
      "paths"
      "remote-fs"
      "remote-fs-pre"
      "shutdown"
      "slices"
      "sockets"
      "swap"
      "sysinit"
      "time-sync"
      "timers"
    ]
    ++ map (name: "systemd-${name}.service") [
      "journald"
      "journal-flush"
      "logind"
      "networkd"
      "resolved"
      "sysctl"
      "sysusers"
      "timesyncd"
      "tmpfiles-clean"
      "tmpfiles-setup"
      "udevd"
      "user-sessions"
    ]
    ++ [ "user@.service" "user.slice" "system.slice" "-.slice" "systemd-tmpfiles-clean.timer" "dbus.service" "dbus.socket" ];
  # Every unit as { name, text, path, dropin, wantedBy, requiredBy, aliases }.
  unitsOf =
    kind:
    { set, text }:
    lib.mapAttrsToList (
      name: u:
      let
        file = "${name}.${kind}";
      in
      {
        inherit (u) wantedBy requiredBy aliases;
        name = file;
        dropin = u.overrideStrategy == "asDropin" || builtins.elem file upstream;
        empty = text name u == "";
        path = "${
          pkgs.writeTextFile {
            name = "unit-${lib.strings.sanitizeDerivationName file}";
            destination = "/${file}";
            text = text name u;
          }
        }/${file}";
      }
    ) (lib.filterAttrs (_: u: u.enable) set);
  unitTree =
    name: from:
    pkgs.runCommand name { preferLocalBuild = true; } ''
      mkdir $out
      cd $out
      unit() { ln -s "$1" "$2"; }
      dropin() {
        mkdir -p "$2.d"
        ln -s "$1" "$2.d/overrides.conf"
      }
      into() {
        mkdir -p "$1"
        ln -s "../$2" "$1/$2"
      }
      ${lib.concatMapStrings (
        u:
        lib.optionalString (!(u.dropin && u.empty)) "${if u.dropin then "dropin" else "unit"} ${arg u.path} ${arg u.name}\n"
        + lib.concatMapStrings (alias: "ln -sfn ${arg u.name} ${arg alias}\n") u.aliases
        + lib.concatMapStrings (target: "into ${arg "${target}.wants"} ${arg u.name}\n") u.wantedBy
        + lib.concatMapStrings (target: "into ${arg "${target}.requires"} ${arg u.name}\n") u.requiredBy
      ) (builtins.concatLists (lib.mapAttrsToList unitsOf (kinds from)))}
    '';
  arg = lib.escapeShellArg;
  table = type: description: mkOption {
    type = types.attrsOf (types.submodule type);
    default = { };
    inherit description;
  };
  # What there is for the machine and for each user's manager.
  both = {
    services = table service "Service units.";
    timers = table (plain "timerConfig") "Timer units.";
    sockets = table (plain "socketConfig") "Socket units.";
    paths = table (plain "pathConfig") "Path units.";
    targets = table { options = common; } "Target units.";
    slices = table (plain "sliceConfig") "Slice units.";
  };
  # A service with startAt has a timer of its own name.
  timersOf =
    services:
    lib.mapAttrs (_: s: {
      wantedBy = [ "timers.target" ];
      timerConfig.OnCalendar = s.startAt;
    }) (lib.filterAttrs (_: s: s.enable && s.startAt != [ ]) services);
in
{
  options.system.userActivationScripts = mkOption {
    type = types.lines;
    default = "true\n";
    description = "Shell commands each user's manager runs at login and after a switch. (NixOS has a set of snippets.)";
  };
  options.systemd = both // {
    package = mkOption {
      type = types.package;
      default = pkgs.systemd;
      description = "The systemd package.";
    };
    user = both;
    mounts = mkOption {
      type = types.listOf (
        types.submodule {
          options = common // {
            what = mkOption {
              type = types.str;
              example = "tmpfs";
              description = "The device.";
            };
            where = mkOption {
              type = types.str;
              example = "/mnt";
              description = "Where it is mounted.";
            };
            type = mkOption {
              type = types.str;
              default = "";
              description = "The type of file system.";
            };
            options = mkOption {
              type = types.commas;
              default = "";
              description = "Mount options.";
            };
            mountConfig = settings "More of [Mount].";
          };
        }
      );
      default = [ ];
      description = "Mount units.";
    };
    tmpfiles.rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "d /var/lib/x 0755 root root -" ];
      description = "Rules of tmpfiles.d(5); here only `d' and `L' are acted upon.";
    };
    network.enable = flag false "Whether systemd-networkd runs.";
  };

  config = {
    systemd.timers = timersOf cfg.services;
    systemd.user.timers = timersOf cfg.user.services;
    systemd.targets = {
      # switch-to-configuration restarts it for services that run before sysinit.target.
      sysinit-reactivation.description = "Reactivate sysinit units";
    };
    systemd.user.services.nixos-activation = {
      description = "Run user-specific NixOS activation";
      wantedBy = [ "default.target" ];
      unitConfig.ConditionUser = "!@system";
      serviceConfig.Type = "oneshot";
      script = config.system.userActivationScripts;
    };
    environment.etc."tmpfiles.d/00-nixos.conf".text = lib.concatLines cfg.tmpfiles.rules;
    environment.etc."systemd/system".source = unitTree "system-units" cfg;
    environment.etc."systemd/user".source = unitTree "user-units" cfg.user;
    system.activationScripts.tmpfiles = {
      deps = [ "etc" "users" ];
      text = ''
        while read -r kind path mode user group age target; do
          case $kind in
          d | D | v)
            mkdir -p "$path"
            [ "''${mode:--}" = - ] || chmod "$mode" "$path"
            [ "''${user:--}" = - ] || chown "$user" "$path" 2> /dev/null || true
            ;;
          L | L+) [ -e "$path" ] || ln -sfn "$target" "$path" ;;
          esac
        done < /etc/tmpfiles.d/00-nixos.conf
      '';
    };
  };
}
