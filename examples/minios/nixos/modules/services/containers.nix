# Containers run by podman or docker, each as a service.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.virtualisation.oci-containers;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  strings = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  table = description: mkOption {
    type = types.attrsOf types.str;
    default = { };
    inherit description;
  };
  container = {
    options = {
      image = mkOption {
        type = types.str;
        example = "library/hello-world";
        description = "The image.";
      };
      imageFile = maybe types.package "An archive of the image.";
      autoStart = flag true "Whether it starts at boot.";
      cmd = strings "The command.";
      entrypoint = maybe types.str "The entry point.";
      environment = table "Environment variables.";
      environmentFiles = mkOption {
        type = types.listOf types.path;
        default = [ ];
        description = "Files of environment variables.";
      };
      ports = strings "Published ports, as HOST:CONTAINER.";
      volumes = strings "Mounts, as HOST:CONTAINER.";
      dependsOn = strings "Containers that start before.";
      extraOptions = strings "More options of `run'.";
      hostname = maybe types.str "Its host name.";
      user = maybe types.str "The user inside.";
      workdir = maybe types.str "The working directory inside.";
      labels = table "Labels.";
      log-driver = mkOption {
        type = types.str;
        default = "journald";
        description = "The log driver.";
      };
      login = mkOption {
        type = types.attrsOf (types.nullOr types.str);
        default = { };
        description = "Registry, username and passwordFile.";
      };
    };
  };
  arg = lib.escapeShellArg;
  pairs = option: set: lib.mapAttrsToList (name: v: "${option} ${arg "${name}=${v}"}") set;
  options =
    name: c:
    [
      "--rm"
      "--name=${arg name}"
      "--log-driver=${c.log-driver}"
    ]
    ++ lib.optional (c.entrypoint != null) "--entrypoint=${arg c.entrypoint}"
    ++ lib.optional (c.hostname != null) "--hostname=${arg c.hostname}"
    ++ lib.optional (c.user != null) "-u ${arg c.user}"
    ++ lib.optional (c.workdir != null) "-w ${arg c.workdir}"
    ++ pairs "-e" c.environment
    ++ pairs "-l" c.labels
    ++ map (f: "--env-file ${arg f}") c.environmentFiles
    ++ map (p: "-p ${arg p}") c.ports
    ++ map (v: "-v ${arg v}") c.volumes
    ++ map arg c.extraOptions;
  unit = name: "${cfg.backend}-${name}";
  program = pkgs.${cfg.backend};
in
{
  options.virtualisation = {
    podman = {
      enable = flag false "Whether podman is installed.";
      package = lib.mkPackageOption pkgs "podman" { };
      dockerCompat = flag false "Whether `docker' is podman.";
      dockerSocket.enable = flag false "Whether docker's socket is podman's.";
      defaultNetwork.settings = mkOption {
        type = types.attrsOf types.anything;
        default = { };
        description = "The default network.";
      };
      autoPrune.enable = flag false "Whether unused images are removed.";
    };
    docker = {
      enable = flag false "Whether docker runs.";
      package = lib.mkPackageOption pkgs "docker" { };
      enableOnBoot = flag true "Whether it starts at boot.";
    };
    oci-containers = {
      backend = mkOption {
        type = types.enum [
          "podman"
          "docker"
        ];
        default = "podman";
        description = "What runs the containers.";
      };
      containers = mkOption {
        type = types.attrsOf (types.submodule container);
        default = { };
        description = "Containers by name.";
      };
    };
  };

  config = lib.mkMerge [
    (lib.mkIf (cfg.containers != { }) {
      virtualisation.podman.enable = lib.mkIf (cfg.backend == "podman") true;
      virtualisation.docker.enable = lib.mkIf (cfg.backend == "docker") true;
      systemd.services = lib.mapAttrs' (
        name: c:
        lib.nameValuePair (unit name) {
          description = "Container ${name}";
          wantedBy = lib.optional c.autoStart "multi-user.target";
          after = [ "network-online.target" ] ++ map (d: "${unit d}.service") c.dependsOn;
          requires = map (d: "${unit d}.service") c.dependsOn;
          path = [ program ];
          preStart = ''
            ${cfg.backend} rm -f ${arg name} || true
            ${lib.optionalString (c.imageFile != null) "${cfg.backend} load -i ${c.imageFile}"}
          '';
          script = "exec ${cfg.backend} run ${lib.concatStringsSep " " (options name c)} ${arg c.image} ${lib.escapeShellArgs c.cmd}\n";
          preStop = "${cfg.backend} stop ${arg name}\n";
          serviceConfig.Restart = "always";
        }
      ) cfg.containers;
      assertions = lib.mapAttrsToList (name: c: {
        assertion = builtins.all (d: cfg.containers ? ${d}) c.dependsOn;
        message = "virtualisation.oci-containers.containers.${name}.dependsOn names a container that does not exist.";
      }) cfg.containers;
    })
    (lib.mkIf config.virtualisation.podman.enable {
      environment.systemPackages = [ config.virtualisation.podman.package ];
      environment.etc."containers/policy.json".text = builtins.toJSON {
        default = [ { type = "insecureAcceptAnything"; } ];
      };
    })
    (lib.mkIf config.virtualisation.docker.enable {
      environment.systemPackages = [ config.virtualisation.docker.package ];
      users.groups.docker = { };
      systemd.services.docker = {
        description = "Docker";
        wantedBy = lib.optional config.virtualisation.docker.enableOnBoot "multi-user.target";
        serviceConfig.ExecStart = "${config.virtualisation.docker.package}/bin/dockerd";
      };
    })
  ];
}
