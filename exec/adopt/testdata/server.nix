# The hardware of store1, as muster adopt read it. muster adopt shows later what has
# changed; what you add here stays.
#   NixOS 24.11 ${builtins.abort "x"}
#   67.4 GB of memory
#   Evil "Corp" ''${x} */ } # { imports = [ ./evil.nix ]; }
{ lib, modulesPath, ... }:
{
  # a physical machine: firmware that may be redistributed
  imports = [ (modulesPath + "/installer/scan/not-detected.nix") ];

  # md127: raid1
  boot.swraid.enable = true;

  # /boot/grub/grub.cfg
  boot.loader.grub.enable = true;

  # md127, ata-HGST_A
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/abcdef00-0000-4000-8000-00000000000d";
    fsType = "ext4";
  };

  # ZFS
  fileSystems."/tank" = {
    device = "tank";
    fsType = "zfs";
    options = [ "zfsutil" ];
  };

  # ZFS
  fileSystems."/tank/home" = {
    device = "tank/home";
    fsType = "zfs";
    options = [ "zfsutil" ];
  };

  # ZFS
  fileSystems."/srv/a\"\${x} ;b" = {
    device = "tank/odd";
    fsType = "zfs";
    options = [ "zfsutil" ];
  };

  # /etc/hostid, by which ZFS knows its pools
  networking.hostId = "12345678";

  # addresses that are set by hand
  networking.useDHCP = false;

  # a bridge
  networking.bridges.br0.interfaces = [ "bond0" ];

  # several interfaces as one
  networking.bonds.bond0 = {
    interfaces = [
      "eno1"
      "eno2"
    ];
    driverOptions.mode = "active-backup";
  };

  # 00:11:22:33:44:01
  networking.interfaces.br0.ipv4.addresses = [
    {
      address = "10.1.2.3";
      prefixLength = 16;
    }
  ];

  # the default route
  networking.defaultGateway = {
    address = "10.1.0.1";
    interface = "br0";
  };

  # /nix/var/nix/profiles/system-1-link: the oldest release that is still there
  system.stateVersion = lib.mkDefault "20.09";
}
