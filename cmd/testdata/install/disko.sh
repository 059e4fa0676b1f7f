#!/bin/sh
# disko.sh DISK makes two partitions, as a script of disko does, and mounts them.
set -e
name=$(readlink -f "$1")
umount -R /mnt 2>/dev/null || true
printf 'label: gpt\n\nsize=96MiB, type=L, attrs=LegacyBIOSBootable\ntype=L\n' | sfdisk --quiet --wipe always --wipe-partitions always "$name"
sleep 1
mkfs.vfat "${name}1"
mkfs.ext4 -F -q "${name}2"
mkdir -p /mnt
mount -t ext4 "${name}2" /mnt
mkdir -p /mnt/boot
mount -t vfat "${name}1" /mnt/boot
