# The hardware of debian-4gb-fsn1, as muster adopt read it. muster adopt shows later what has
# changed; what you add here stays.
#   Debian GNU/Linux 12 (bookworm)
#   4.0 GB of memory
#   AMD EPYC-Rome Processor
#   Hetzner vServer
{ modulesPath, ... }:
{
  # a guest of kvm
  imports = [ (modulesPath + "/profiles/qemu-guest.nix") ];

  boot.initrd.availableKernelModules = [
    "virtio_blk" # disk vda
    "virtio_pci" # PCI 0000:00:05.0, storage
    "virtio_scsi" # PCI 0000:00:05.0, storage
  ];

  # /boot/grub/grub.cfg
  boot.loader.grub.enable = true;

  # /proc/cmdline
  boot.kernelParams = [ "console=ttyS0" ];

  # vda1, virtio-hc-volume-1; /etc/fstab
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/1b2c3d4e-0000-4000-8000-00000000000a";
    fsType = "ext4";
    options = [
      "errors=remount-ro"
      "discard"
    ];
  };

  # vdb; /etc/fstab
  fileSystems."/mnt/vol" = {
    device = "/dev/disk/by-label/vol";
    fsType = "xfs";
    options = [ "nofail" ];
  };

  # bind mount
  fileSystems."/var/www" = {
    device = "/mnt/vol/www";
    fsType = "none";
    options = [ "bind" ];
  };

  # another machine's, /etc/fstab
  fileSystems."/net/media" = {
    device = "nas.example:/media";
    fsType = "nfs4";
    options = [
      "_netdev"
      "ro"
    ];
  };

  # /proc/swaps
  swapDevices = [
    { device = "/swapfile"; } # /swapfile, 2.1 GB
  ];

  # /proc/cpuinfo: svm
  boot.kernelModules = [ "kvm-amd" ];

  # its interfaces have the kernel's own names
  networking.usePredictableInterfaceNames = false;

  # addresses that are set by hand
  networking.useDHCP = false;

  # 96:00:00:12:34:56
  networking.interfaces.eth0.ipv4.addresses = [
    {
      address = "203.0.113.7";
      prefixLength = 32;
    }
  ];

  # 96:00:00:12:34:56
  networking.interfaces.eth0.ipv6.addresses = [
    {
      address = "2001:db8:1::1";
      prefixLength = 64;
    }
  ];

  # the default route
  networking.defaultGateway = {
    address = "172.31.0.1";
    interface = "eth0";
  };

  # the default route
  networking.defaultGateway6 = {
    address = "fe80::1";
    interface = "eth0";
  };

  # resolv.conf
  networking.nameservers = [
    "185.12.64.1"
    "2a01:4ff:ff00::add:1"
  ];
}
