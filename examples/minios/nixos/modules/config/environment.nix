# What is installed, and what every shell and every program sees.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.environment;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  text = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  str = default: description: mkOption {
    type = types.str;
    inherit default description;
  };
  variables = description: mkOption {
    type = types.attrsOf (types.oneOf [ types.str types.path types.int (types.listOf types.str) ]);
    default = { };
    example = {
      EDITOR = "vim";
    };
    inherit description;
    apply = lib.mapAttrs (_: v: lib.concatMapStringsSep ":" toString (lib.toList v));
  };
  exports = lib.mapAttrsToList (name: v: "export ${name}=${lib.escapeShellArg v}");
in
{
  imports = [
    (lib.mkRenamedOptionModule [ "i18n" "consoleFont" ] [ "console" "font" ])
    (lib.mkRenamedOptionModule [ "i18n" "consoleKeyMap" ] [ "console" "keyMap" ])
  ];

  options.environment = {
    systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages in everybody's PATH.";
    };
    pathsToLink = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Directories of packages that are in /run/current-system/sw.";
    };
    variables = variables "Environment variables of shells.";
    sessionVariables = variables "Environment variables of sessions.";
    shellAliases = mkOption {
      type = types.attrsOf (types.nullOr (types.either types.str types.path));
      default = { };
      description = "Aliases of shells.";
    };
    shellInit = text "Commands of every shell.";
    loginShellInit = text "Commands of login shells.";
    interactiveShellInit = text "Commands of interactive shells.";
    enableAllTerminfo = flag false "Accepted, without effect here.";
    noXlibs = flag false "Accepted, without effect here.";
  };
  options.system.path = mkOption {
    type = types.package;
    internal = true;
    description = "The tree of installed packages.";
  };
  options.time = {
    timeZone = mkOption {
      type = types.nullOr (types.strMatching "[^ \t]*" // { description = "null or string without spaces"; });
      default = null;
      example = "Europe/Berlin";
      description = "The time zone.";
    };
    hardwareClockInLocalTime = flag false "Whether the clock keeps local time.";
  };
  options.i18n = {
    defaultLocale = str "en_US.UTF-8" "The locale.";
    supportedLocales = mkOption {
      type = types.listOf types.str;
      default = [ "all" ];
      description = "Locales that exist.";
    };
    extraLocaleSettings = mkOption {
      type = types.attrsOf types.str;
      default = { };
      description = "More LC_ variables.";
    };
  };
  options.console = {
    font = mkOption {
      type = types.nullOr (types.either types.str types.path);
      default = null;
      description = "Font of the console.";
    };
    keyMap = mkOption {
      type = types.either types.str types.path;
      default = "us";
      description = "Keyboard of the console.";
    };
  };
  options.nix = {
    enable = flag true "Whether Nix is on the machine.";
    package = mkOption {
      type = types.package;
      default = pkgs.nix;
      description = "The Nix package.";
    };
    settings = mkOption {
      type = types.submodule {
        freeformType = types.attrsOf (
          types.oneOf [ types.bool types.int types.str (types.listOf types.str) ]
        );
        options = {
          trusted-users = mkOption {
            type = types.listOf types.str;
            default = [ "root" ];
            description = "Users who may do everything.";
          };
          substituters = mkOption {
            type = types.listOf types.str;
            default = [ ];
            description = "Binary caches.";
          };
          trusted-public-keys = mkOption {
            type = types.listOf types.str;
            default = [ ];
            description = "Keys of binary caches.";
          };
          sandbox = mkOption {
            type = types.either types.bool (types.enum [ "relaxed" ]);
            default = true;
            description = "Whether builds are confined.";
          };
        };
      };
      default = { };
      description = "nix.conf(5).";
    };
    extraOptions = text "More lines of nix.conf.";
    nixPath = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "NIX_PATH.";
    };
    registry = mkOption {
      type = types.attrsOf types.unspecified;
      default = { };
      description = "Flakes by name.";
    };
    gc = {
      automatic = flag false "Whether garbage is collected regularly.";
      dates = str "03:15" "When.";
      options = str "" "With which options.";
    };
    optimise.automatic = flag false "Whether equal files are joined regularly.";
  };

  config = {
    environment.systemPackages = [
      pkgs.bash
      pkgs.coreutils
    ]
    ++ lib.optional config.nix.enable config.nix.package;
    environment.pathsToLink = [
      "/bin"
      "/share"
    ];
    environment.variables = {
      LANG = lib.mkDefault config.i18n.defaultLocale;
    };
    system.path = pkgs.buildEnv {
      name = "system-path";
      paths = lib.unique cfg.systemPackages;
      pathsToLink = lib.unique cfg.pathsToLink;
    };
    environment.etc = {
      set-environment.text = lib.concatLines (exports (cfg.sessionVariables // cfg.variables));
      profile.text = ''
        . /etc/set-environment
        ${cfg.shellInit}
        ${cfg.loginShellInit}
      '';
      bashrc.text =
        lib.concatStrings (
          lib.mapAttrsToList (name: v: lib.optionalString (v != null) "alias -- ${name}=${lib.escapeShellArg v}\n") cfg.shellAliases
        )
        + cfg.interactiveShellInit;
      "locale.conf".text = lib.generators.toKeyValue { } (
        { LANG = config.i18n.defaultLocale; } // config.i18n.extraLocaleSettings
      );
      "vconsole.conf".text =
        "KEYMAP=${config.console.keyMap}\n"
        + lib.optionalString (config.console.font != null) "FONT=${config.console.font}\n";
      timezone = lib.mkIf (config.time.timeZone != null) { text = config.time.timeZone + "\n"; };
      # Not /etc/nix/nix.conf: that is how the machine's own Nix works, and
      # the machines this runs on are somebody's.
      "minios/nix.conf".text =
        lib.generators.toKeyValue {
          mkKeyValue =
            k: v:
            "${k} = ${
              if builtins.isBool v then
                lib.boolToString v
              else
                toString v
            }";
        } config.nix.settings
        + config.nix.extraOptions;
    };
    systemd.services.nix-gc = lib.mkIf config.nix.gc.automatic {
      description = "Nix Garbage Collector";
      script = "exec ${config.nix.package}/bin/nix-collect-garbage ${config.nix.gc.options}";
      startAt = config.nix.gc.dates;
    };
  };
}
