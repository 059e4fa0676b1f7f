# Systems that differ in one unit each: system n has the first n changes. The test that
# uses them, foretell_test.go, has a row for each.
let
  eval = import ../../examples/minios/nixos/lib/eval-config.nix;

  changes = n: { lib, ... }:
    let
      # since i is whether the change number i is made, and edition i tells the two apart.
      since = i: n >= i;
      edition = i: if since i then "2" else "1";
      daemon = more: {
        wantedBy = [ "multi-user.target" ];
        script = "exec sleep infinity";
        reload = "true";
      } // more;
      oneshot = more: {
        wantedBy = [ "multi-user.target" ];
        script = "true";
        serviceConfig.Type = "oneshot";
      } // more;
    in
    {
      networking.hostName = "web";
      services.openssh.enable = true;
      users.users.joe = {
        isNormalUser = true;
        linger = true;
      };
      fileSystems = {
        "/" = { device = "/dev/vda"; options = [ "defaults" ] ++ lib.optional (since 33) "noatime"; };
        "/mnt/fstab" = lib.mkIf (since 25 && !since 27) {
          fsType = "tmpfs";
          options = if since 26 then [ "size=2m" ] else [ "size=1m" ];
        };
      };
      swapDevices = lib.optional (since 28) { device = "/swapfile"; };

      systemd.services = {
        command = daemon { script = "# ${edition 1}\nexec sleep infinity"; };
        environment = daemon { environment.EDITION = edition 2; };
        "template@" = {
          script = "exec sleep infinity";
          environment.EDITION = edition 4;
        };
        "template@one" = {
          overrideStrategy = "asDropin";
          wantedBy = [ "multi-user.target" ];
          environment.DROPIN = edition 3;
        };
        "template@two" = {
          overrideStrategy = "asDropin";
          wantedBy = [ "multi-user.target" ];
          environment.DROPIN = "1";
        };
        timed.script = "true";
        listening = daemon { environment.EDITION = edition 7; wantedBy = [ ]; };
        both = daemon { requires = [ "both.socket" ]; environment.EDITION = edition 8; };
        watched.script = "true";
        reloading = daemon { reloadIfChanged = true; environment.EDITION = edition 11; };
        left = daemon { restartIfChanged = false; environment.EDITION = edition 12; };
        at-once = daemon { stopIfChanged = false; environment.EDITION = edition 13; };
        restart-trigger = daemon { restartTriggers = [ (edition 14) ]; };
        reload-trigger = daemon { reloadTriggers = [ (edition 15) ]; unitConfig.PropagatesReloadTo = "passed-on.service"; };
        passed-on = daemon { };
        on-mount = daemon { unitConfig.RequiresMountsFor = "/mnt/source"; };
        removed = lib.mkIf (!since 16) (daemon { });
        ${if since 17 then "new-name" else "old-name"} = daemon { };
        remains = oneshot {
          environment.EDITION = edition 18;
          serviceConfig = { Type = "oneshot"; RemainAfterExit = true; };
        };
        of-target = lib.mkIf (since 19) (daemon { wantedBy = [ "group.target" ]; });
        leader = daemon { environment.EDITION = edition 20; };
        follower = daemon { requires = [ "leader.service" ]; after = [ "leader.service" ]; };
        loner = daemon { requires = [ "leader.service" ]; after = [ "leader.service" ]; wantedBy = [ ]; };
        whole = daemon { stopIfChanged = false; environment.EDITION = edition 21; };
        part = daemon { partOf = [ "whole.service" ]; };
        idle = daemon { wantedBy = [ ]; environment.EDITION = edition 22; };
        masked = daemon { enable = !since 23; };
        wanted = daemon { wantedBy = lib.optional (since 29) "multi-user.target"; };
        rival = lib.mkIf (since 30) (daemon { conflicts = [ "incumbent.service" ]; });
        incumbent = daemon { wantedBy = lib.optional (!since 30) "multi-user.target"; };
        described = daemon { description = "Edition ${edition 31}"; };
        refusing = daemon { unitConfig.RefuseManualStop = true; environment.EDITION = edition 32; };
        conditional = lib.mkIf (since 34) (daemon { unitConfig.ConditionPathExists = "/nowhere"; });
        unmet = daemon { unitConfig.ConditionPathExists = "/nowhere"; };
        manual = daemon { unitConfig.X-OnlyManualStart = true; environment.EDITION = edition 35; };
        kept = lib.mkIf (!since 36) (daemon { unitConfig.X-StopOnRemoval = false; });
        bound = daemon { bindsTo = [ "binder.service" ]; after = [ "binder.service" ]; };
        binder = daemon { environment.EDITION = edition 37; };
        own-socket = daemon { requires = [ "own-socket.socket" ]; notSocketActivated = true; wantedBy = [ ]; environment.EDITION = edition 38; };
        flaky = lib.mkIf (since 40) (daemon { script = if since 41 then "exec sleep infinity" else "exit 1"; });
        # What only an active service wants is started when that service is.
        with-command = lib.mkIf (since 42) (oneshot { wantedBy = [ "command.service" ]; });
        runs-again = lib.mkIf (since 42) (oneshot { environment.EDITION = edition 43; });
      };
      systemd.services.member = lib.mkIf (since 44) (daemon { partOf = [ "stopped.target" ]; wantedBy = [ "stopped.target" ]; });
      systemd.targets.stopped = lib.mkIf (since 44) {
        wantedBy = [ "multi-user.target" ];
        unitConfig.X-StopOnReconfiguration = true;
        description = "Edition ${edition 45}";
      };
      systemd.timers.timed = {
        wantedBy = [ "timers.target" ];
        timerConfig.OnCalendar = if since 5 then "*-01-01" else "*-02-01";
      };
      systemd.sockets = {
        listening = { wantedBy = [ "sockets.target" ]; socketConfig.ListenStream = "/run/listening-${edition 6}"; };
        both = { wantedBy = [ "sockets.target" ]; socketConfig.ListenStream = "/run/both"; };
        own-socket = { wantedBy = [ "sockets.target" ]; socketConfig.ListenStream = "/run/own-socket"; };
      };
      systemd.paths.watched = {
        wantedBy = [ "paths.target" ];
        pathConfig.PathExists = "/run/watched-${edition 9}";
      };
      systemd.user.services.mine = {
        wantedBy = [ "default.target" ];
        script = "exec sleep infinity";
        environment.EDITION = edition 10;
      };
      systemd.targets.group = {
        wantedBy = [ "multi-user.target" ];
        description = "Edition ${edition 19}";
      };
      services.openssh.ports = [ 22 ] ++ lib.optional (since 39) 2222;
      networking.firewall.allowedTCPPorts = lib.optional (since 39) 8080;
      systemd.mounts = [
        {
          where = "/mnt/options";
          what = "tmpfs";
          type = "tmpfs";
          options = "size=${edition 24}m";
          wantedBy = [ "multi-user.target" ];
        }
        {
          where = "/mnt/source";
          what = if since 24 then "other" else "tmpfs";
          type = "tmpfs";
          wantedBy = [ "multi-user.target" ];
        }
      ];
    };
  system = name: n: (eval {
    system = builtins.currentSystem;
    modules = [ (changes n) { environment.etc."system-name".text = name; } ];
  }).config.system.build.toplevel;
  all = 45;
in
builtins.listToAttrs (builtins.genList (n: { name = "change${toString n}"; value = system "change ${toString n}" n; }) (all + 1))
// { back = system "back" 0; }
