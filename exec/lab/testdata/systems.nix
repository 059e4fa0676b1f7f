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
    systemd.services.template = { };
  };
  versions = n: {
    imports = [ common ];
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
        script = "echo ${toString n}; exec sleep infinity";
      };
      ticking = {
        script = "echo tick >> /var/log/ticks";
        startAt = "minutely";
      };
    };
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
  interface = system "interface" {
    imports = [ (versions 2) ];
    minios.initInterfaceVersion = 3;
  };
}
