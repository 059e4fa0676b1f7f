# The kernel, the initrd and the boot loader: stand-ins that are put together,
# listed and chosen like the real ones.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkEnableOption
    mkOption
    mkRenamedOptionModule
    types
    ;
  cfg = config.boot;
  names = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
in
{
  imports = [
    (mkRenamedOptionModule [ "boot" "cleanTmpDir" ] [ "boot" "tmp" "cleanOnBoot" ])
    (mkRenamedOptionModule [ "boot" "tmpOnTmpfs" ] [ "boot" "tmp" "useTmpfs" ])
  ];

  options.boot = {
    kernelPackages = mkOption {
      type = types.raw;
      default = pkgs.linuxPackages;
      description = "The kernel and what is built for it.";
    };
    kernelParams = names "The kernel's command line.";
    kernelModules = names "Modules loaded at boot.";
    blacklistedKernelModules = names "Modules never loaded by themselves.";
    extraModulePackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Modules from elsewhere.";
    };
    extraModprobeConfig = mkOption {
      type = types.lines;
      default = "";
      description = "More of modprobe.conf.";
    };
    supportedFilesystems = names "File systems to support.";
    kernel.sysctl = mkOption {
      type = types.attrsOf (types.nullOr (types.oneOf [ types.bool types.str types.int ]));
      default = { };
      example = {
        "net.ipv4.ip_forward" = true;
      };
      description = "Kernel parameters set at run time.";
    };
    consoleLogLevel = mkOption {
      type = types.int;
      default = 4;
      description = "Console log level.";
    };
    tmp = {
      cleanOnBoot = flag false "Whether /tmp is emptied at boot.";
      useTmpfs = flag false "Whether /tmp is a tmpfs.";
    };
    isContainer = flag false "Whether the machine is a container, with the kernel of its host.";
    swraid.enable = flag false "Whether arrays of disks are assembled.";
    growPartition = flag false "Whether the root partition grows to its disk.";
    initrd = {
      availableKernelModules = names "Modules in the initrd.";
      kernelModules = names "Modules the initrd loads.";
      supportedFilesystems = names "File systems the initrd supports.";
      network.enable = mkEnableOption "network in the initrd";
      luks.devices = mkOption {
        type = types.attrsOf (types.submodule { options.device = mkOption { type = types.str; }; });
        default = { };
        description = "Encrypted disks that the initrd opens.";
      };
      systemd.enable = mkEnableOption "systemd in the initrd";
    };
    loader = {
      timeout = mkOption {
        type = types.nullOr types.int;
        default = 5;
        description = "Seconds before the default entry is booted.";
      };
      grub = {
        enable = flag (!cfg.loader.systemd-boot.enable) "Whether GRUB is the boot loader.";
        device = mkOption {
          type = types.str;
          default = "";
          example = "/dev/sda";
          description = "Where GRUB is installed.";
        };
        devices = names "Where GRUB is installed, if in several places.";
        efiSupport = flag false "Whether GRUB supports EFI.";
        efiInstallAsRemovable = flag false "Whether GRUB is installed as on a removable medium.";
        useOSProber = flag false "Whether other systems are looked for.";
        configurationLimit = mkOption {
          type = types.int;
          default = 100;
          description = "How many generations are in the menu.";
        };
        version = mkOption {
          type = types.int;
          default = 2;
          visible = false;
          description = "Once chose between GRUB 1 and 2; there is only 2.";
        };
      };
      systemd-boot = {
        enable = flag false "Whether systemd-boot is the boot loader.";
        configurationLimit = mkOption {
          type = types.nullOr types.int;
          default = null;
          description = "How many generations are in the menu.";
        };
        editor = flag true "Whether entries can be edited at boot.";
      };
      efi = {
        canTouchEfiVariables = flag false "Whether EFI variables may be written.";
        efiSysMountPoint = mkOption {
          type = types.str;
          default = "/boot";
          description = "Where the EFI system partition is mounted.";
        };
      };
      external = {
        enable = flag false "Whether a program of your own installs the boot loader.";
        installHook = mkOption {
          type = types.path;
          description = "The program; its argument is the system.";
        };
      };
      generic-extlinux-compatible.enable = flag false "Whether an extlinux.conf is written.";
    };
  };
  options.powerManagement.cpuFreqGovernor = mkOption {
    type = types.nullOr types.str;
    default = null;
    description = "The CPU frequency governor.";
  };
  options.hardware = {
    enableRedistributableFirmware = flag false "Whether redistributable firmware is installed.";
    enableAllFirmware = flag false "Whether all firmware is installed.";
    cpu.intel.updateMicrocode = flag false "Whether Intel microcode is updated.";
    cpu.amd.updateMicrocode = flag false "Whether AMD microcode is updated.";
  };

  config = {
    boot.kernelParams = [ "loglevel=${toString cfg.consoleLogLevel}" ];
    boot.kernel.sysctl."kernel.printk" = lib.mkDefault cfg.consoleLogLevel;
    environment.etc."modules-load.d/nixos.conf".text = lib.concatLines cfg.kernelModules;
    environment.etc."sysctl.d/60-nixos.conf".text = lib.concatLines (
      lib.mapAttrsToList (name: v: "${name} = ${if builtins.isBool v then (if v then "1" else "0") else toString v}") (
        lib.filterAttrs (_: v: v != null) cfg.kernel.sysctl
      )
    );
    system.build.initialRamdisk = pkgs.writeTextDir "initrd" ''
      initrd of ${cfg.kernelPackages.kernel}
      modules: ${toString (lib.unique (cfg.initrd.kernelModules ++ cfg.initrd.availableKernelModules))}
      root: ${config.fileSystems."/".device or "none"}
    '';
  };
}
