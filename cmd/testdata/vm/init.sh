#!/bin/busybox sh
# shellcheck shell=dash
# The first process of a virtual machine that disk.sh makes: the root file system, and the
# network, which stays as it is; then the boot loader of the lab's hosts, which starts the
# system that /boot names.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
while read -r module; do insmod "/modules/$module"; done </modules/order
while [ ! -b /dev/vda ]; do sleep 0.1; done
mount -t ext4 /dev/vda /sysroot || exec sh
# What the first stage of NixOS does: with a Linux that NixOS replaces, and with /run, where
# what an activation puts stays when systemd begins.
sh /lustrate /sysroot || exec sh
mkdir -p /sysroot/proc /sysroot/sys /sysroot/dev /sysroot/run
mount -t tmpfs -o mode=0755 tmpfs /sysroot/run
ip link set lo up
ip link set eth0 up
ip addr add 10.0.2.15/24 dev eth0
ip route add default via 10.0.2.2
for fs in proc sys dev; do mount -o move /$fs /sysroot/$fs; done
exec switch_root /sysroot /usr/lib/muster-lab/init
