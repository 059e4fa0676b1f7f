# k3s: a server runs the control plane, an agent runs pods only.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.services.k3s;
  str = default: description: mkOption {
    type = types.str;
    inherit default description;
  };
  path = description: mkOption {
    type = types.nullOr types.path;
    default = null;
    inherit description;
  };
in
{
  options.services.k3s = {
    enable = lib.mkEnableOption "k3s";
    package = lib.mkPackageOption pkgs "k3s" { };
    role = mkOption {
      type = types.enum [
        "server"
        "agent"
      ];
      default = "server";
      description = "What this machine is to the cluster.";
    };
    serverAddr = str "" "The server to join; none begins a cluster.";
    token = str "" "The secret with which members join, in the store.";
    tokenFile = path "The file with it.";
    configPath = path "A configuration file.";
    clusterInit = mkOption {
      type = types.bool;
      default = false;
      description = "Whether the server begins a cluster with etcd.";
    };
    manifests = mkOption {
      type = types.attrsOf (
        types.submodule {
          options.content = mkOption {
            type = types.attrs;
            description = "The object.";
          };
        }
      );
      default = { };
      description = "Objects that the cluster is given.";
    };
    extraFlags = mkOption {
      type = types.either types.str (types.listOf types.str);
      default = [ ];
      description = "More options of the program.";
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.role == "server" || cfg.serverAddr != "" || cfg.configPath != null;
        message = "services.k3s.serverAddr must be set for an agent.";
      }
    ];
    environment.systemPackages = [ cfg.package ];
    environment.etc = lib.mapAttrs' (name: m: {
      name = "rancher/k3s/manifests/${name}.json";
      value.text = builtins.toJSON m.content;
    }) cfg.manifests;
    systemd.services.k3s = {
      description = "k3s service";
      after = [ "network-online.target" ];
      wantedBy = [ "multi-user.target" ];
      serviceConfig = {
        Type = if cfg.role == "agent" then "exec" else "notify";
        Restart = "always";
        RestartSec = "5s";
        ExecStart = lib.concatStringsSep " " (
          [ "${cfg.package}/bin/k3s ${cfg.role}" ]
          ++ lib.optional (cfg.serverAddr != "") "--server ${cfg.serverAddr}"
          ++ lib.optional (cfg.tokenFile != null) "--token-file ${toString cfg.tokenFile}"
          ++ lib.optional (cfg.configPath != null) "--config ${toString cfg.configPath}"
          ++ lib.optional cfg.clusterInit "--cluster-init"
          ++ lib.toList cfg.extraFlags
        );
      };
    };
  };
}
