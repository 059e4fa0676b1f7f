# The hardware of Rescue-01.Example.ORG, as muster adopt read it. muster adopt shows later what has
# changed; what you add here stays.
#   Some Live Linux
#   8.2 GB of memory
#   Intel(R) Xeon(R) E-2236
{
  config,
  lib,
  modulesPath,
  ...
}:
{
  # a physical machine: firmware that may be redistributed
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  # no boot loader was found: NixOS's usual one for EFI
  boot.loader.systemd-boot.enable = true;

  # /sys/firmware/efi
  boot.loader.efi.canTouchEfiVariables = true;

  # sda2
  fileSystems."/media/data" = {
    device = "/dev/sda2";
    fsType = "ext4";
  };

  # /proc/cpuinfo: vmx
  boot.kernelModules = [ "kvm-intel" ];

  # /proc/cpuinfo: GenuineIntel
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;

  # its interfaces have the kernel's own names
  networking.usePredictableInterfaceNames = false;

  # addresses that are set by hand
  networking.useDHCP = false;

  # 96:00:00:12:34:56
  networking.interfaces.eth0.ipv6.addresses = [
    {
      address = "2001:db8:1::7";
      prefixLength = 64;
    }
  ];

  # the default route
  networking.defaultGateway6 = {
    address = "fe80::1";
    interface = "eth0";
  };

  # resolv.conf
  networking.nameservers = [ "2001:db8::53" ];
}
