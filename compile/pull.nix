# The agent that takes releases of muster publish.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.muster.pull;
  # systemd reads % and $ in ExecStart.
  word =
    text: "\"" + builtins.replaceStrings [ "\\" "\"" "%" "$" ] [ "\\\\" "\\\"" "%%" "$$" ] text + "\"";
  flags = [
    "--host"
    cfg.host
    "--from"
    cfg.from
  ];
  package =
    if cfg.package == null then
      throw "muster.pull.package: nixpkgs has no muster: set it to the package of muster's flake, or to callPackage of its cmd/muster/package.nix"
    else
      cfg.package;
  option =
    type: default: description:
    lib.mkOption { inherit type default description; };
in
{
  options.muster.pull = {
    host = option lib.types.str config.networking.hostName "The host's name in the fleet.";
    from = lib.mkOption {
      type = lib.types.str;
      description = "The URL of the store that has releases.";
    };
    keys = option (lib.types.listOf lib.types.str) [ ] "The public keys that releases are signed with.";
    report = option (lib.types.nullOr lib.types.str) null "The URL that reports are posted to, instead of going into the store.";
    hostKeys = option (lib.types.listOf lib.types.str) (map (
      key: key.path
    ) (config.services.openssh.hostKeys or [ ])) "The files of the SSH host keys that sign reports.";
    every = option lib.types.str "*:0/15" "When, as systemd's OnCalendar has it.";
    jitter = option lib.types.str "5m" "The longest random delay.";
    package = option (lib.types.nullOr lib.types.package) (
      pkgs.muster or null
    ) "The package of muster that has the agent.";
  };

  config = {
    environment.etc."muster/release-keys".text = lib.concatMapStrings (key: key + "\n") cfg.keys;
    systemd.timers.muster-agent = {
      description = "Look for a release of the fleet";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = cfg.every;
        RandomizedDelaySec = cfg.jitter;
        Persistent = true;
      };
    };
    # An activation that it does itself must not end it.
    systemd.services.muster-agent = {
      description = "Take the release of the fleet";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      restartIfChanged = false;
      unitConfig.X-StopOnRemoval = false;
      # A package that is older than this file ignores variables that it does not know; it would refuse flags.
      environment = {
        HOME = "/root";
      }
      // lib.optionalAttrs (cfg.hostKeys != [ ]) {
        MUSTER_HOST_KEYS = lib.concatStringsSep ":" cfg.hostKeys;
      }
      // lib.optionalAttrs (cfg.report != null) { MUSTER_REPORT_TO = cfg.report; };
      path = [
        config.nix.package
        pkgs.coreutils
        pkgs.findutils
        pkgs.gnugrep
        pkgs.gnused
        pkgs.util-linux
        "/run/current-system/sw"
      ];
      serviceConfig = {
        Type = "oneshot";
        StateDirectory = "muster-agent";
        StateDirectoryMode = "0700";
        # Credentials of the store, such as MUSTER_STORE_AUTH or AWS_ACCESS_KEY_ID, and of reports: MUSTER_REPORT_AUTH.
        EnvironmentFile = [
          "-/etc/muster/agent.env"
          "-/run/muster-secrets/agent.env"
        ];
        ExecStart = "${package}/bin/muster agent run ${lib.concatMapStringsSep " " word flags}";
      };
    };
  };
}
