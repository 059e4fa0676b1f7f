# The hardware of edge7, as muster adopt read it. muster adopt shows later what has
# changed; what you add here stays.
#   Alpine Linux v3.19
#   2.1 GB of memory
#   AMD GX-412TC SOC
{
  config,
  lib,
  modulesPath,
  ...
}:
{
  # a physical machine: firmware that may be redistributed
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  # no boot loader was found: NixOS's usual one for BIOS
  boot.loader.grub.enable = true;

  # sda1
  fileSystems."/sysroot" = {
    device = "/dev/disk/by-uuid/1b2c3d4e-0000-4000-8000-00000000000a";
    fsType = "ext4";
  };

  # /proc/cpuinfo: svm
  boot.kernelModules = [ "kvm-amd" ];

  # /proc/cpuinfo: AuthenticAMD
  hardware.cpu.amd.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;

  # its interfaces have the kernel's own names
  networking.usePredictableInterfaceNames = false;

  # addresses that are set by hand
  networking.useDHCP = false;

  # its address is by DHCP
  networking.interfaces.eth2.useDHCP = true;

  # 00:0d:b9:00:00:01
  networking.interfaces.eth0.ipv4.addresses = [
    {
      address = "10.0.0.5";
      prefixLength = 24;
    }
  ];

  # 00:0d:b9:00:00:02
  networking.interfaces.eth1.ipv4.addresses = [
    {
      address = "10.0.0.6";
      prefixLength = 24;
    }
  ];

  # the default route
  networking.defaultGateway = {
    address = "10.0.0.1";
    interface = "eth0";
  };

  # resolv.conf
  networking.nameservers = [ "10.0.0.1" ];
}
