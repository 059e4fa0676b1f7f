# HAProxy, and keepalived, by which machines share an address.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.services;
  option = type: default: description: mkOption { inherit type default description; };
  script = name: s: ''
    vrrp_script ${name} {
      script "${s.script}"
      interval ${toString s.interval}
      weight ${toString s.weight}
    }
  '';
  instance = name: i: ''
    vrrp_instance ${name} {
      interface ${i.interface}
      virtual_router_id ${toString i.virtualRouterId}
      priority ${toString i.priority}
      virtual_ipaddress { ${lib.concatMapStringsSep " " (ip: ip.addr) i.virtualIps} }
      track_script { ${toString i.trackScripts} }
    }
  '';
in
{
  options.services.haproxy = {
    enable = lib.mkEnableOption "HAProxy";
    config = option (types.nullOr types.lines) null "The configuration.";
  };
  options.services.keepalived = {
    enable = lib.mkEnableOption "keepalived";
    openFirewall = option types.bool false "Whether VRRP is let through.";
    vrrpScripts = mkOption {
      default = { };
      description = "What is looked at, by name.";
      type = types.attrsOf (
        types.submodule {
          options = {
            script = option types.str "" "The command.";
            interval = option types.int 1 "Seconds between two looks.";
            weight = option types.int 0 "What a failure adds to the priority.";
          };
        }
      );
    };
    vrrpInstances = mkOption {
      default = { };
      description = "Shared addresses, by name.";
      type = types.attrsOf (
        types.submodule {
          options = {
            interface = option types.str "" "The network interface.";
            virtualRouterId = option (types.ints.between 1 255) 1 "The number of the group.";
            priority = option types.int 100 "The highest has the address.";
            trackScripts = option (types.listOf types.str) [ ] "Scripts that count.";
            virtualIps = mkOption {
              default = [ ];
              description = "The addresses.";
              type = types.listOf (types.submodule { options.addr = option types.str "" "An address with its prefix."; });
            };
          };
        }
      );
    };
  };

  config = lib.mkMerge [
    (mkIf cfg.haproxy.enable {
      assertions = [
        {
          assertion = cfg.haproxy.config != null;
          message = "services.haproxy.config must be set.";
        }
      ];
      environment.etc."haproxy.cfg".text = cfg.haproxy.config;
      systemd.services.haproxy = {
        description = "HAProxy";
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.haproxy}/bin/haproxy -Ws -f /etc/haproxy.cfg";
      };
    })
    (mkIf cfg.keepalived.enable {
      environment.etc."keepalived/keepalived.conf".text =
        lib.concatStrings (lib.mapAttrsToList script cfg.keepalived.vrrpScripts)
        + lib.concatStrings (lib.mapAttrsToList instance cfg.keepalived.vrrpInstances);
      systemd.services.keepalived = {
        description = "keepalived";
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.keepalived}/bin/keepalived --dont-fork";
      };
    })
  ];
}
