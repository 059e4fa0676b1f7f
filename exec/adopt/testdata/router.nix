# The hardware of GW-Cellar, as muster adopt read it. muster adopt shows later what has
# changed; what you add here stays.
#   Debian GNU/Linux 12 (bookworm)
#   8.2 GB of memory
#   Intel(R) Celeron(R) J4125
{
  config,
  lib,
  modulesPath,
  ...
}:
{
  # a physical machine: firmware that may be redistributed
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  # /boot/grub/grub.cfg
  boot.loader.grub.enable = true;

  # /etc/crypttab: what is opened after the first stage of a boot
  environment.etc.crypttab.text = "vault UUID=3b2c3d4e-0000-4000-8000-0000000000ff /etc/keys/vault luks,discard\n";

  # sda1; /etc/fstab
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/1b2c3d4e-0000-4000-8000-0000000000aa";
    fsType = "ext4";
    options = [ "errors=remount-ro" ];
  };

  # vault; /etc/fstab
  fileSystems."/srv/vault" = {
    device = "/dev/mapper/vault";
    fsType = "ext4";
    options = [ "nofail" ];
  };

  # another machine's, /etc/fstab
  fileSystems."/srv/media" = {
    device = "//nas.example/media";
    fsType = "cifs";
    options = [
      "credentials=/etc/cifs.secret"
      "uid=1000"
      "_netdev"
    ];
  };

  # another machine's, /etc/fstab
  fileSystems."/srv/home" = {
    device = "nas.example:/home";
    fsType = "nfs";
    options = [ "soft" ];
  };

  # /proc/cpuinfo: vmx
  boot.kernelModules = [ "kvm-intel" ];

  # /proc/cpuinfo: GenuineIntel
  hardware.cpu.intel.updateMicrocode = lib.mkDefault config.hardware.enableRedistributableFirmware;

  # addresses that are set by hand
  networking.useDHCP = false;

  # /proc/net/vlan
  networking.vlans."bond0.10" = {
    id = 10;
    interface = "bond0";
  };

  # several interfaces as one
  networking.bonds.bond0 = {
    interfaces = [
      "enp1s0"
      "enp2s0"
    ];
    driverOptions.mode = "802.3ad";
  };

  networking.interfaces."bond0.10".ipv4.addresses = [
    {
      address = "203.0.113.9";
      prefixLength = 24;
    }
  ];

  # a bridge
  networking.bridges.br-lan.interfaces = [ "bond0.20" ];

  # /proc/net/vlan
  networking.vlans."bond0.20" = {
    id = 20;
    interface = "bond0";
  };

  # 00:0d:b9:00:00:01
  networking.interfaces.br-lan.ipv4.addresses = [
    {
      address = "192.168.1.1";
      prefixLength = 24;
    }
  ];

  # the default route
  networking.defaultGateway = {
    address = "203.0.113.1";
    interface = "bond0.10";
  };

  # resolv.conf
  networking.nameservers = [ "9.9.9.9" ];
}
