# Unattended upgrades of the host to what its fleet has, in git or as a flake.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.muster.upgrade;
  set = name: value: "${name}=${lib.escapeShellArg (toString value)}\n";
  upgrade = pkgs.writeShellScript "muster-upgrade" (
    ''
      export PATH=$PATH:${
        lib.makeBinPath (
          [
            config.nix.package
            pkgs.coreutils
            pkgs.util-linux
            pkgs.git
          ]
          ++ lib.optional (cfg.flake != null) pkgs.jq
        )
      }
    ''
    + set "host" cfg.host
    + set "git" cfg.git
    + set "ref" cfg.ref
    + set "file" cfg.file
    + set "flake" cfg.flake
    + set "driver" (pkgs.writeText "driver.nix" driverText)
    + upgradeScript
  );
  option =
    type: default: description:
    lib.mkOption { inherit type default description; };
  maybe = option (lib.types.nullOr lib.types.str) null;
in
{
  options.muster.upgrade = {
    host = option lib.types.str config.networking.hostName "The host's name in the fleet.";
    every = option lib.types.str "04:00" "When, as systemd's OnCalendar has it.";
    delay = option lib.types.str "0" "The longest random delay.";
    git = maybe "The repository of the fleet.";
    ref = option lib.types.str "main" "Its branch or tag.";
    file = option lib.types.str "network.nix" "The network expression in it.";
    flake = maybe "The flake of the fleet.";
  };

  config = {
    environment.etc."muster/upgrade".source = upgrade;
    systemd.timers.muster-upgrade = {
      description = "Upgrade to what the fleet has";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnCalendar = cfg.every;
        RandomizedDelaySec = cfg.delay;
        Persistent = true;
      };
    };
    # An activation that it does itself must not end it.
    systemd.services.muster-upgrade = {
      description = "Upgrade to what the fleet has";
      after = [ "network-online.target" ];
      wants = [ "network-online.target" ];
      restartIfChanged = false;
      unitConfig.X-StopOnRemoval = false;
      environment.HOME = "/root";
      serviceConfig = {
        Type = "oneshot";
        StateDirectory = "muster-upgrade";
        StateDirectoryMode = "0700";
        ExecStart = "/etc/muster/upgrade";
      };
    };
  };
}
