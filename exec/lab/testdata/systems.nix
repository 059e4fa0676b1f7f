# The systems that deploy_test.go puts on a systemd host, made of minios.
let
  system =
    name: module:
    (import ../../../examples/minios/nixos/lib/eval-config.nix {
      system = builtins.currentSystem;
      modules = [
        {
          networking.hostName = "il";
          fileSystems."/".device = "/dev/vda";
          environment.etc."system-name".text = name;
        }
        module
      ];
    }).config.system.build.toplevel;

  # A service that tells, in /var/log/told, when it starts, reloads and stops.
  told = name: more: {
    wantedBy = [ "multi-user.target" ];
    script = "exec sleep infinity";
    preStart = "echo start ${name} >> /var/log/told";
    postStop = "echo stop ${name} >> /var/log/told";
    reload = "echo reload ${name} >> /var/log/told";
  } // more;
  oneshot = name: more: {
    wantedBy = [ "multi-user.target" ];
    script = "echo run ${name} >> /var/log/told";
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
  } // more;

  common = { pkgs, ... }: {
    services.openssh.enable = true;
    users.users.joe = {
      isNormalUser = true;
      linger = true;
    };
    systemd.user.services.hello = {
      wantedBy = [ "default.target" ];
      script = "exec sleep infinity";
    };
    systemd.services.kept = told "kept" { };
  };
  versions = n: {
    imports = [ common ];
    fileSystems."/data" = {
      device = "tmpfs";
      fsType = "tmpfs";
      options = [ "size=${toString n}m" ];
    };
    fileSystems."/data-${toString n}" = {
      device = "tmpfs";
      fsType = "tmpfs";
    };
    system.activationScripts.asks = ''
      mkdir -p /run/nixos
      echo asked.service >> /run/nixos/activation-restart-list
    '';
    services.httpd.enable = true;
    services.httpd.adminAddr = "${toString n}@example.org";
    networking.firewall.allowedTCPPorts = [ (8000 + n) ];
    systemd.services = {
      restarted = told "restarted" {
        stopIfChanged = false;
        environment.N = toString n;
      };
      reloaded = told "reloaded" {
        reloadIfChanged = true;
        environment.N = toString n;
      };
      triggered = told "triggered" { restartTriggers = [ n ]; };
      reload-triggered = told "reload-triggered" { reloadTriggers = [ n ]; };
      described = told "described" { description = "Version ${toString n}"; };
      left = told "left" {
        restartIfChanged = false;
        environment.N = toString n;
      };
      refuses = told "refuses" {
        unitConfig.RefuseManualStop = true;
        environment.N = toString n;
      };
      once = oneshot "once" { };
      again = oneshot "again" { environment.N = toString n; };
      "removed-${toString n}" = told "removed-${toString n}" { };
      by-socket = told "by-socket" {
        wantedBy = [ ];
        # It takes the connection: one that waits would start the service again while it is stopped.
        script = "echo ${toString n}; exec perl -e 'open(my $s, \"+<&=\", 3); accept(my $c, $s); sleep'";
      };
      ticking = {
        script = "echo tick >> /var/log/ticks";
        startAt = if n == 1 then "minutely" else "hourly";
      };
      # Not changed itself, but it cannot do without one that is restarted.
      needs = told "needs" {
        requires = [ "restarted.service" ];
        after = [ "restarted.service" ];
      };
      asked = told "asked" { };
      "worker@" = told "worker" {
        wantedBy = [ ];
        environment.N = toString n;
      };
      "worker@a" = {
        overrideStrategy = "asDropin";
        wantedBy = [ "multi-user.target" ];
      };
      sliced = told "sliced" { serviceConfig.Slice = "batch.slice"; };
      watched = told "watched" { wantedBy = [ ]; };
    };
    systemd.slices.batch.sliceConfig.TasksMax = 100 + n;
    systemd.paths.watched = {
      wantedBy = [ "paths.target" ];
      pathConfig.PathExists = "/run/watched-${toString n}";
    };
    # One of systemd's own units, with a drop-in.
    systemd.timers.systemd-tmpfiles-clean.timerConfig.OnUnitActiveSec = "${toString n}d";
    systemd.sockets.by-socket = {
      wantedBy = [ "sockets.target" ];
      socketConfig.ListenStream = "/run/by-socket";
    };
    systemd.mounts = [
      {
        where = "/mnt/data";
        what = "tmpfs";
        type = "tmpfs";
        options = "size=${toString n}m";
        wantedBy = [ "multi-user.target" ];
      }
    ];
  };
in
{
  first = system "first" (versions 1);
  second = system "second" (versions 2);
  fails = system "fails" {
    imports = [ (versions 2) ];
    minios.failUnits = [ "httpd.service" ];
  };
  flaky = system "flaky" {
    imports = [ (versions 2) ];
    systemd.services.flaky = {
      wantedBy = [ "multi-user.target" ];
      script = ''
        [ -e /run/flaky ] && exec sleep infinity
        touch /run/flaky
        exit 1
      '';
      serviceConfig.Restart = "on-failure";
      serviceConfig.RestartSec = 3;
    };
  };
  interface = system "interface" {
    imports = [ (versions 2) ];
    minios.initInterfaceVersion = 3;
  };
}
