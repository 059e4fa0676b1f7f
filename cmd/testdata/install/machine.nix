# What minios lacks to run on a machine of its own: programs, a kernel, a first process,
# and a boot loader.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  userland = builtins.path {
    name = "userland";
    path = ./tree/userland;
  };
in
{
  options.disko = lib.mkOption {
    type = lib.types.raw;
    default.devices.disk.main.device = "/dev/disk/by-id/virtio-MUSTER01";
    description = "What disko would make of disks.";
  };
  config = {
    system.build.diskoScript = pkgs.writeShellScript "disko" ''
      exec /bin/sh ${./disko.sh} ${config.disko.devices.disk.main.device}
    '';
    minios.shell = "${userland}/usr/bin/busybox sh";
    # Its name is the first: all others need programs.
    system.activationScripts.aMachine = ''
      ln() { ${userland}/usr/bin/busybox ln "$@"; }
      ln -sfn ${userland}/usr /usr
      for name in bin sbin lib lib64; do ln -sfn usr/$name /$name; done
      mkdir -p /etc /root /tmp
      printf 'root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n' > /etc/passwd
      printf 'root:x:0:\nnogroup:x:65534:\n' > /etc/group
    '';
    boot.kernelPackages = pkgs.linuxPackagesFor {
      outPath = builtins.path {
        name = "linux-6.1";
        path = ./tree/kernel;
      };
    };
    system.build.initialRamdisk = lib.mkForce (
      builtins.path {
        name = "initrd";
        path = ./tree/initrd;
      }
    );
    boot.loader.external = {
      enable = true;
      installHook = pkgs.writeShellScript "install-boot-loader" ''
        exec /bin/sh ${./bootloader.sh} "$1" ${toString config.boot.loader.grub.devices}
      '';
    };
    environment.etc = {
      inittab.text = ''
        ::sysinit:/bin/sh ${./rc.sh}
        ::respawn:/usr/sbin/sshd -D -e -f /dev/null -o UsePAM=no -o AuthorizedKeysFile=/etc/ssh/authorized_keys.d/root
        ::shutdown:/bin/umount -a -r
      '';
    };
  };
}
