# The system as one store path, laid out as on NixOS:
#
#   activate  init  bin/switch-to-configuration      scripts
#   etc  sw  kernel  initrd  kernel-modules  systemd links to its parts
#   specialisation/NAME                              variants, systems themselves
#   nixos-version  system  kernel-params  boot.json  init-interface-version  what it is
{
  config,
  lib,
  pkgs,
  extendModules,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.system;
  boot = config.boot;

  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  vetted =
    drv:
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (message: "- ${message}") failed}"
    else
      lib.showWarnings config.warnings drv;

  kernelImage = "${boot.kernelPackages.kernel}/${config.system.boot.loader.kernelFile}";
  toplevel = pkgs.mkDerivation {
    name = "nixos-system-${cfg.name}-${cfg.nixos.label}";
    preferLocalBuild = true;
    inherit (cfg.activationScripts') activate;
    passAsFile = [
      "activate"
      "init"
    ];
    init = ''
      echo "minios: stage 2 of $systemConfig"
      mkdir -p /run
      ln -sfn "$systemConfig" /run/booted-system
      MINIOS_BOOTING=1 $systemConfig/activate
      exec $systemConfig/systemd/lib/systemd/systemd "$@"
    '';
    kernelParams = toString boot.kernelParams;
    bootSpec = builtins.toJSON {
      "org.nixos.bootspec.v1" = {
        system = pkgs.system;
        label = "NixOS ${cfg.nixos.label}";
        kernel = kernelImage;
        kernelParams = boot.kernelParams;
        initrd = "${cfg.build.initialRamdisk}/initrd";
      };
    };
    buildCommand = ''
      mkdir -p $out/bin $out/specialisation
      script() {
        { printf '#!%s\nsystemConfig=%s\n' "$3" "$out"; cat "$1"; } > "$2"
        chmod +x "$2"
      }
      script "$activatePath" $out/activate ${lib.escapeShellArg config.minios.shell}
      script "$initPath" $out/init /bin/sh
      script ${./switch-to-configuration.sh} $out/bin/switch-to-configuration /bin/sh
      mkdir $out/lib
      cp ${./switch-units.pl} $out/lib/switch-units.pl
      ln -s ${cfg.build.etc}/etc $out/etc
      ln -s ${cfg.path} $out/sw
      ln -s ${kernelImage} $out/kernel
      ln -s ${cfg.build.initialRamdisk}/initrd $out/initrd
      ln -s ${boot.kernelPackages.kernel} $out/kernel-modules
      ln -s ${config.systemd.package} $out/systemd
      ${lib.concatStrings (
        lib.mapAttrsToList (
          name: variant:
          "ln -s ${variant.configuration.system.build.toplevel} $out/specialisation/${lib.escapeShellArg name}\n"
        ) config.specialisation
      )}
      ${lib.optionalString boot.loader.external.enable ''
        ln -s ${boot.loader.external.installHook} $out/bin/install-boot-loader
      ''}
      printf %s '${cfg.nixos.label}' > $out/nixos-version
      printf %s '${pkgs.system}' > $out/system
      printf %s "$kernelParams" > $out/kernel-params
      printf 'systemd %s' ${toString config.minios.initInterfaceVersion} > $out/init-interface-version
      printf '%s\n' "$bootSpec" > $out/boot.json
      ${lib.optionalString (cfg.configurationRevision != null) ''
        printf %s ${lib.escapeShellArg cfg.configurationRevision} > $out/configuration-revision
      ''}
      ${lib.optionalString (cfg.extraDependencies != [ ]) ''
        printf '%s\n' ${lib.escapeShellArgs cfg.extraDependencies} > $out/extra-dependencies
      ''}
      ${cfg.extraSystemBuilderCmds}
    '';
  };
in
{
  options.system = {
    build = mkOption {
      type = types.lazyAttrsOf types.unspecified;
      default = { };
      description = "What can be built of this configuration.";
    };
    extraSystemBuilderCmds = mkOption {
      type = types.lines;
      internal = true;
      default = "";
      description = "More commands for the builder of the system, which is at $out.";
    };
    extraDependencies = mkOption {
      type = types.listOf types.pathInStore;
      default = [ ];
      description = "Store paths that belong to the system's closure without being seen in it.";
    };
    boot.loader.kernelFile = mkOption {
      type = types.str;
      internal = true;
      default = "bzImage";
      description = "The kernel's file name in its package.";
    };
  };
  options.specialisation = mkOption {
    default = { };
    description = "Variants of this system, to be chosen at boot or by their own switch-to-configuration.";
    type = types.attrsOf (
      types.submodule (
        { config, ... }:
        {
          options = {
            inheritParentConfig = mkOption {
              type = types.bool;
              default = true;
              description = "Whether the variant starts from this configuration.";
            };
            configuration = mkOption {
              type = types.deferredModule;
              default = { };
              description = "What is different.";
              apply =
                module:
                if config.inheritParentConfig then
                  (extendModules {
                    modules = [
                      module
                      { specialisation = lib.mkForce { }; }
                    ];
                  }).config
                else
                  (import ../../lib/eval-config.nix {
                    system = pkgs.system;
                    modules = [ module ];
                  }).config;
            };
          };
        }
      )
    );
  };

  config.system.build.toplevel = vetted toplevel;
}
