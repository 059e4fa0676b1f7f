#!/bin/busybox sh
# shellcheck shell=dash disable=SC2013
# The first process of the virtual machine. With root=DEVICE and init=PROGRAM on the
# kernel's command line it starts a system on a disk, as the initrd of NixOS does;
# without, the rescue system goes on.
/bin/busybox mkdir -p /proc /sys /dev /run
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
exec </dev/console >/dev/console 2>&1
for applet in mkdir mount ln sleep cat grep insmod switch_root; do eval "$applet() { /bin/busybox $applet \"\$@\"; }"; done
mkdir -p /dev/pts /dev/disk/by-id
mount -t devpts devpts /dev/pts
while read -r module; do insmod "/modules/$module"; done </modules/order

# links makes the names of disks that udev would make.
links() {
  for disk in /sys/block/*; do
    [ -r "$disk/serial" ] || continue
    id=/dev/disk/by-id/virtio-$(cat "$disk/serial")
    ln -sfn "../../${disk##*/}" "$id"
    for part in "$disk/${disk##*/}"*; do
      [ ! -r "$part/partition" ] || ln -sfn "../../${part##*/}" "$id-part$(cat "$part/partition")"
    done
  done
}
root='' init=''
for word in $(cat /proc/cmdline); do
  case $word in
  root=*) root=${word#root=} ;;
  init=*) init=${word#init=} ;;
  esac
done
if [ -z "$root" ]; then
  export PATH=/usr/bin
  (while :; do links && sleep 0.3; done) &
  exec /bin/sh /etc/rescue
fi
while [ ! -e "$root" ]; do links && sleep 0.1; done
mount "$root" /sysroot || exec /bin/busybox sh
mkdir -p /sysroot/proc /sysroot/sys /sysroot/dev /sysroot/run
mount -t tmpfs -o mode=0755 tmpfs /sysroot/run
for fs in proc sys dev; do mount -o move /$fs /sysroot/$fs; done
export PATH=/usr/bin
exec /bin/busybox switch_root /sysroot "$init"
