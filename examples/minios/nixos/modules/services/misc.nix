# Small services and programs: an option or three each.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  inherit (config) programs services;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  str = default: description: mkOption {
    type = types.str;
    inherit default description;
  };
  text = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  simple = [
    "git"
    "htop"
    "mosh"
    "tmux"
    "vim"
    "zsh"
  ];
  upgrade = config.system.autoUpgrade;
in
{
  options.programs =
    lib.genAttrs simple (name: {
      enable = lib.mkEnableOption name;
    })
    // {
      bash = {
        completion.enable = flag true "Whether arguments are completed.";
        interactiveShellInit = text "Commands of interactive bashes.";
        shellAliases = mkOption {
          type = types.attrsOf types.str;
          default = { };
          description = "Aliases of bash.";
        };
      };
      nano.enable = flag true "Whether nano is installed.";
      mtr.enable = flag false "Accepted, without effect here.";
      nix-ld.enable = flag false "Accepted, without effect here.";
      command-not-found.enable = flag false "Accepted, without effect here.";
      ssh = {
        startAgent = flag false "Whether an agent starts at login.";
        extraConfig = text "More of ssh_config.";
        knownHosts = mkOption {
          default = { };
          description = "Host keys by name.";
          type = types.attrsOf (
            types.submodule (
              { name, ... }:
              {
                options = {
                  hostNames = mkOption {
                    type = types.listOf types.str;
                    default = [ name ];
                    description = "Names and addresses.";
                  };
                  publicKey = mkOption {
                    type = types.nullOr types.str;
                    default = null;
                    description = "The key.";
                  };
                };
              }
            )
          );
        };
      };
    };
  options.services = {
    timesyncd.enable = flag true "Whether the clock is kept right.";
    qemuGuest.enable = flag false "Whether the QEMU guest agent runs.";
    fail2ban.enable = flag false "Whether failed logins are banned.";
    resolved.enable = flag false "Whether systemd-resolved runs.";
    fstrim.enable = flag false "Whether disks are trimmed.";
    journald.extraConfig = text "More of journald.conf.";
    logrotate.enable = flag true "Accepted, without effect here.";
    cron = {
      enable = flag false "Whether cron runs.";
      systemCronJobs = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Lines of the crontab.";
      };
    };
    postgresql = {
      enable = lib.mkEnableOption "PostgreSQL";
      package = lib.mkPackageOption pkgs "postgresql" { };
      enableTCPIP = flag false "Whether TCP is listened on.";
      ensureDatabases = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Databases that exist.";
      };
      authentication = text "More of pg_hba.conf.";
    };
    redis.enable = flag false "Whether redis runs.";
  };
  options.security.sudo = {
    enable = flag true "Whether sudo is installed.";
    wheelNeedsPassword = flag true "Whether members of wheel give their password.";
    extraRules = mkOption {
      type = types.listOf types.attrs;
      default = [ ];
      description = "More rules.";
    };
    extraConfig = text "More of sudoers.";
  };
  options.security.polkit.enable = flag false "Whether polkit runs.";
  options.documentation = {
    enable = flag true "Whether documentation is installed.";
    nixos = {
      enable = flag true "Whether the NixOS manual is installed.";
      extraModuleSources = mkOption {
        type = types.listOf (types.either types.path types.str);
        default = [ ];
        description = "Where modules outside of NixOS are.";
      };
    };
    man.enable = flag true "Whether manual pages are installed.";
  };
  options.system.autoUpgrade = {
    enable = flag false "Whether the machine upgrades itself.";
    allowReboot = flag false "Whether it may reboot.";
    channel = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "From which channel.";
    };
    flake = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "From which flake.";
    };
    dates = str "04:40" "When.";
    flags = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "More options of nixos-rebuild.";
    };
  };

  config = {
    environment.systemPackages =
      map (name: pkgs.${name}) (builtins.filter (name: programs.${name}.enable) simple)
      ++ lib.optional programs.nano.enable pkgs.nano
      ++ lib.optional config.security.sudo.enable pkgs.sudo;
    environment.etc = {
      sudoers = mkIf config.security.sudo.enable {
        target = "minios/sudoers";
        text = ''
          root ALL=(ALL:ALL) SETENV: ALL
          %wheel ALL=(ALL:ALL) ${lib.optionalString (!config.security.sudo.wheelNeedsPassword) "NOPASSWD: "}SETENV: ALL
          ${config.security.sudo.extraConfig}'';
      };
      "ssh/ssh_known_hosts" = mkIf (programs.ssh.knownHosts != { }) {
        text = lib.concatStrings (
          lib.mapAttrsToList (_: h: "${lib.concatStringsSep "," h.hostNames} ${toString h.publicKey}\n") programs.ssh.knownHosts
        );
      };
    };
    networking.firewall.allowedUDPPortRanges = mkIf programs.mosh.enable [
      {
        from = 60000;
        to = 61000;
      }
    ];
    systemd.services = lib.mkMerge [
      (mkIf services.cron.enable {
        cron = {
          description = "Cron Daemon";
          wantedBy = [ "multi-user.target" ];
          serviceConfig.ExecStart = "cron -n ${pkgs.writeText "crontab" (lib.concatLines services.cron.systemCronJobs)}";
        };
      })
      (mkIf services.postgresql.enable {
        postgresql = {
          description = "PostgreSQL Server";
          wantedBy = [ "multi-user.target" ];
          serviceConfig.ExecStart = "${services.postgresql.package}/bin/postgresql";
        };
      })
      (mkIf services.redis.enable {
        redis = {
          description = "Redis Server";
          wantedBy = [ "multi-user.target" ];
          serviceConfig.ExecStart = "${pkgs.redis}/bin/redis";
        };
      })
      (mkIf upgrade.enable {
        nixos-upgrade = {
          description = "NixOS Upgrade";
          restartIfChanged = false;
          script = "nixos-rebuild switch ${toString upgrade.flags}\n";
          startAt = upgrade.dates;
        };
      })
    ];
  };
}
