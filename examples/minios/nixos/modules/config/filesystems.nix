# File systems and swap, as /etc/fstab.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  deviceOf = e: if e.label != null then "/dev/disk/by-label/${e.label}" else e.device;

  fileSystem =
    { name, config, ... }:
    {
      options = {
        mountPoint = mkOption {
          type = types.nonEmptyStr;
          default = name;
          description = "Where it is mounted.";
        };
        device = maybe types.nonEmptyStr "The device.";
        label = maybe types.nonEmptyStr "The label of the device.";
        fsType = mkOption {
          type = types.nonEmptyStr;
          default = "auto";
          example = "ext4";
          description = "The type.";
        };
        options = mkOption {
          type = types.nonEmptyListOf types.str;
          default = [ "defaults" ];
          description = "Mount options.";
        };
        neededForBoot = flag false "Whether it is mounted in the initrd.";
        autoFormat = flag false "Whether an empty device is formatted.";
        autoResize = flag false "Whether it grows to its device.";
        noCheck = flag false "Whether fsck leaves it alone.";
        depends = mkOption {
          type = types.listOf types.nonEmptyStr;
          default = [ ];
          description = "Paths that must be mounted before.";
        };
      };
      config.device = lib.mkIf (builtins.elem config.fsType [ "tmpfs" "proc" "sysfs" ]) (
        lib.mkDefault config.fsType
      );
    };
  swap =
    { config, ... }:
    {
      options = {
        device = mkOption {
          type = types.nonEmptyStr;
          example = "/var/swapfile";
          description = "The device or file.";
        };
        label = maybe types.str "The label of the device.";
        size = maybe types.int "Size in MiB of a file, which is made if it is missing.";
        priority = maybe types.int "The priority.";
        randomEncryption.enable = flag false "Whether it is encrypted with a random key.";
        options = mkOption {
          type = types.nonEmptyListOf types.nonEmptyStr;
          default = [ "defaults" ];
          description = "Options of swapon.";
        };
      };
      config.device = lib.mkIf (config.label != null) "/dev/disk/by-label/${config.label}";
    };
in
{
  options = {
    fileSystems = mkOption {
      type = types.attrsOf (types.submodule fileSystem);
      default = { };
      example = {
        "/".device = "/dev/sda1";
      };
      description = "File systems by mount point.";
    };
    swapDevices = mkOption {
      type = types.listOf (types.submodule swap);
      default = [ ];
      description = "Swap devices and files.";
    };
    zramSwap.enable = flag false "Whether there is swap in compressed memory.";
  };

  config = {
    assertions = [
      {
        assertion = config.boot.isContainer || config.fileSystems ? "/";
        message = "The ‘fileSystems’ option does not specify your root file system.";
      }
    ]
    ++ lib.mapAttrsToList (name: fs: {
      assertion = fs.device != null || fs.label != null;
      message = "No device specified for mount point ‘${name}’.";
    }) config.fileSystems;

    environment.etc.fstab.text =
      lib.concatStrings (
        lib.mapAttrsToList (
          _: fs:
          "${deviceOf fs} ${fs.mountPoint} ${fs.fsType} ${lib.concatStringsSep "," fs.options} 0 ${
            if fs.noCheck then
              "0"
            else if fs.mountPoint == "/" then
              "1"
            else
              "2"
          }\n"
        ) config.fileSystems
      )
      + lib.concatMapStrings (
        s:
        "${s.device} none swap ${
          lib.concatStringsSep "," (s.options ++ lib.optional (s.priority != null) "pri=${toString s.priority}")
        }\n"
      ) config.swapDevices;

    systemd.services = lib.listToAttrs (
      map (
        s:
        lib.nameValuePair "mkswap${lib.replaceStrings [ "/" ] [ "-" ] s.device}" {
          description = "Initialisation of swap file ${s.device}";
          wantedBy = [ "multi-user.target" ];
          restartIfChanged = false;
          # A container has its machine's swap.
          unitConfig.ConditionVirtualization = "!container";
          serviceConfig.Type = "oneshot";
          script = ''
            [ -e ${s.device} ] || fallocate -l ${toString s.size}M ${s.device}
            chmod 0600 ${s.device}
            mkswap ${s.device}
          '';
        }
      ) (builtins.filter (s: s.size != null) config.swapDevices)
    );
  };
}
