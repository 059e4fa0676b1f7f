#!/bin/sh
# bootloader.sh SYSTEM DISK has extlinux boot a system. The boot loader itself is
# installed on the disk where NIXOS_INSTALL_BOOTLOADER says so.
set -e
system=$1 disk=$2
mkdir -p /boot/extlinux
cp -L "$system/kernel" /boot/extlinux/bzImage
cp -L "$system/initrd" /boot/extlinux/initrd
root=$(while read -r device where _; do [ "$where" != / ] || echo "$device"; done </etc/fstab)
cat >/boot/extlinux/extlinux.conf <<CONF
DEFAULT nixos
LABEL nixos
  LINUX bzImage
  INITRD initrd
  APPEND root=$root init=$system/init $(cat "$system/kernel-params") console=ttyS0
CONF
if [ "$NIXOS_INSTALL_BOOTLOADER" = 1 ]; then
  extlinux --install /boot/extlinux
  dd if=/usr/lib/EXTLINUX/gptmbr.bin of="$disk" bs=440 count=1 conv=notrunc
fi
sync
