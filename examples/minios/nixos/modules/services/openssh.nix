# sshd: its configuration, its port in the firewall, and where it looks for keys.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption mkRenamedOptionModule types;
  cfg = config.services.openssh;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  atom = types.oneOf [
    types.str
    types.int
    types.bool
  ];
  moved = old: new: mkRenamedOptionModule [ "services" "openssh" old ] ([ "services" "openssh" ] ++ new);
in
{
  imports = [
    (moved "permitRootLogin" [ "settings" "PermitRootLogin" ])
    (moved "passwordAuthentication" [ "settings" "PasswordAuthentication" ])
    (moved "kbdInteractiveAuthentication" [ "settings" "KbdInteractiveAuthentication" ])
    (moved "challengeResponseAuthentication" [ "settings" "KbdInteractiveAuthentication" ])
    (moved "forwardX11" [ "settings" "X11Forwarding" ])
    (moved "logLevel" [ "settings" "LogLevel" ])
    (moved "useDns" [ "settings" "UseDns" ])
    (mkRenamedOptionModule [ "services" "sshd" "enable" ] [ "services" "openssh" "enable" ])
  ];

  options.services.openssh = {
    enable = flag false "Whether sshd runs.";
    package = lib.mkPackageOption pkgs "openssh" { };
    startWhenNeeded = flag false "Whether sshd starts with the first connection.";
    openFirewall = flag true "Whether the firewall lets ssh in.";
    ports = mkOption {
      type = types.listOf types.port;
      default = [ 22 ];
      description = "Ports to listen on.";
    };
    listenAddresses = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            addr = maybe types.str "Address.";
            port = maybe types.int "Port.";
          };
        }
      );
      default = [ ];
      description = "Addresses to listen on.";
    };
    hostKeys = mkOption {
      type = types.listOf types.attrs;
      default = [
        {
          type = "ed25519";
          path = "/etc/ssh/ssh_host_ed25519_key";
        }
      ];
      description = "Host keys.";
    };
    authorizedKeysFiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = "Where users' keys are.";
    };
    authorizedKeysInHomedir = flag true "Whether ~/.ssh/authorized_keys counts.";
    allowSFTP = flag true "Whether sftp is served.";
    banner = maybe types.lines "What is shown before a login.";
    extraConfig = mkOption {
      type = types.lines;
      default = "";
      description = "More lines of sshd_config.";
    };
    settings = mkOption {
      default = { };
      description = "sshd_config(5).";
      type = types.submodule {
        freeformType = types.attrsOf (types.nullOr (types.either atom (types.listOf types.str)));
        options = {
          PermitRootLogin = mkOption {
            type = types.enum [
              "yes"
              "without-password"
              "prohibit-password"
              "forced-commands-only"
              "no"
            ];
            default = "prohibit-password";
            description = "Whether root may log in.";
          };
          PasswordAuthentication = flag true "Whether passwords are accepted.";
          KbdInteractiveAuthentication = flag true "Whether keyboard-interactive is accepted.";
          X11Forwarding = flag false "Whether X11 is forwarded.";
          UseDns = flag false "Whether addresses are looked up.";
          LogLevel = mkOption {
            type = types.enum [ "QUIET" "FATAL" "ERROR" "INFO" "VERBOSE" "DEBUG" "DEBUG1" "DEBUG2" "DEBUG3" ];
            default = "INFO";
            description = "How much is logged.";
          };
          AllowUsers = maybe (types.listOf types.str) "Who may log in.";
          DenyUsers = maybe (types.listOf types.str) "Who may not log in.";
        };
      };
    };
    knownHosts = mkOption {
      type = types.attrsOf types.attrs;
      default = { };
      visible = false;
      description = "See programs.ssh.knownHosts.";
    };
  };

  config = lib.mkIf cfg.enable {
    users.users.sshd = {
      isSystemUser = true;
      group = "sshd";
      description = "SSH privilege separation user";
    };
    users.groups.sshd = { };
    services.openssh.authorizedKeysFiles =
      lib.optional cfg.authorizedKeysInHomedir "%h/.ssh/authorized_keys"
      ++ [ "/etc/ssh/authorized_keys.d/%u" ];
    networking.firewall.allowedTCPPorts = lib.mkIf cfg.openFirewall cfg.ports;
    # Not sshd_config itself: the sshd of a lab host is what one logs in by.
    environment.etc."minios/sshd_config".text =
      lib.concatMapStrings (port: "Port ${toString port}\n") cfg.ports
      + lib.concatStrings (
        lib.mapAttrsToList (
          name: v:
          "${name} ${
            if builtins.isBool v then
              lib.boolToYesNo v
            else
              toString v
          }\n"
        ) (lib.filterAttrs (_: v: v != null) cfg.settings)
      )
      + "UsePAM yes\n"
      + lib.optionalString cfg.allowSFTP "Subsystem sftp internal-sftp\n"
      + "AuthorizedKeysFile ${toString cfg.authorizedKeysFiles}\n"
      + lib.concatMapStrings (k: "HostKey ${k.path}\n") cfg.hostKeys
      + cfg.extraConfig;
    systemd.services.sshd = {
      description = "SSH Daemon";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      stopIfChanged = false;
      restartTriggers = [ config.environment.etc."minios/sshd_config".source ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/sshd -D -f /etc/minios/sshd_config";
        KillMode = "process";
        Restart = "always";
        RuntimeDirectory = "sshd";
        RuntimeDirectoryPreserve = true;
        Type = "simple";
      };
    };
  };
}
