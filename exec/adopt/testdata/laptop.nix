# The hardware of anna, as muster adopt read it. muster adopt shows later what has
# changed; what you add here stays.
#   NixOS 24.05 (Uakari)
#   16.7 GB of memory
#   Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz
#   LENOVO 20L7S00000
{
  config,
  lib,
  modulesPath,
  ...
}:
{
  # a physical machine: firmware that may be redistributed
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  boot.initrd.availableKernelModules = [
    "sd_mod" # disk sda
    "xhci_pci" # PCI 0000:00:14.0, usb
    "ahci" # PCI 0000:00:17.0, storage
    "nvme" # PCI 0000:05:00.0, storage
    "usbhid" # USB 1-1:1.0, keyboard
  ];

  # LVM
  boot.initrd.kernelModules = [ "dm-snapshot" ];

  # LUKS on nvme0n1p2
  boot.initrd.luks.devices.cryptroot.device =
    "/dev/disk/by-uuid/5f1c0e6e-2a9b-4e0f-a2c6-d1f0a1b2c3d4";

  # the EFI variable LoaderInfo
  boot.loader.systemd-boot.enable = true;

  # /sys/firmware/efi
  boot.loader.efi.canTouchEfiVariables = true;

  # cryptroot, nvme-SAMSUNG_MZVLB512HAJQ-000L7_S3TNNX0K123456
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    fsType = "btrfs";
    options = [
      "noatime"
      "compress=zstd:3"
      "discard=async"
      "subvol=@"
    ];
  };

  # cryptroot, nvme-SAMSUNG_MZVLB512HAJQ-000L7_S3TNNX0K123456
  fileSystems."/home" = {
    device = "/dev/disk/by-uuid/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    fsType = "btrfs";
    options = [
      "noatime"
      "compress=zstd:3"
      "discard=async"
      "subvol=@home"
    ];
  };

  # cryptroot, nvme-SAMSUNG_MZVLB512HAJQ-000L7_S3TNNX0K123456
  fileSystems."/nix" = {
    device = "/dev/disk/by-uuid/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
    fsType = "btrfs";
    options = [
      "noatime"
      "compress=zstd:3"
      "discard=async"
      "subvol=@nix"
    ];
  };

  # nvme0n1p1, nvme-SAMSUNG_MZVLB512HAJQ-000L7_S3TNNX0K123456
  fileSystems."/boot" = {
    device = "/dev/disk/by-uuid/3A1B-2C3D";
    fsType = "vfat";
    options = [
      "fmask=0077"
      "dmask=0077"
    ];
  };

  # pool-data, ata-ST1000LM035-1RK172_WL1ABCDE
  fileSystems."/srv/my data" = {
    device = "/dev/disk/by-uuid/9f8e7d6c-5b4a-3928-1706-f5e4d3c2b1a0";
    fsType = "ext4";
  };

  # /proc/swaps
  swapDevices = [
    { device = "/dev/disk/by-uuid/c0ffee00-1111-2222-3333-444455556666"; } # /dev/dm-2, 17.2 GB
  ];

  # /proc/cpuinfo: vmx
  boot.kernelModules = [ "kvm-intel" ];

  # /proc/cpuinfo: GenuineIntel
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;

  # enp0s31f6 has its address by DHCP
  networking.useDHCP = lib.mkDefault true;

  # /etc/nixos/configuration.nix
  system.stateVersion = "23.05";
}
