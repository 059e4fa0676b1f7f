rec {
  __schema = "v0.5";
  nodes = self.nixosConfigurations;
  toplevel = builtins.mapAttrs (name: node: node.config.system.build.toplevel) nodes;
  metaConfig = {
    inherit (hive.meta) description;
    machinesFile = null;
    allowApplyAll = true;
  };
  deploymentConfig = builtins.mapAttrs (
    name: host:
    {
      targetHost = name;
      targetUser = "root";
      targetPort = null;
      tags = [ ];
      sshOptions = [ ];
      keys = { };
      allowLocalDeployment = false;
      buildOnTarget = false;
      replaceUnknownProfiles = true;
      privilegeEscalationCommand = [
        "sudo"
        "-H"
        "--"
      ];
    }
    // hive.${name}.deployment
  ) hosts;
  deploymentConfigSelected =
    names: builtins.intersectAttrs (builtins.groupBy (name: name) names) deploymentConfig;
  evalSelected = names: builtins.intersectAttrs (builtins.groupBy (name: name) names) toplevel;
  evalSelectedDrvPaths = names: builtins.mapAttrs (name: system: system.drvPath) (evalSelected names);
  introspect =
    f:
    f {
      inherit nodes;
      inherit (nixpkgs) lib;
      pkgs = hive.meta.nixpkgs;
    };
}
