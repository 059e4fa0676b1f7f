#!/usr/bin/env bash
# disk.sh DIR TREE KERNEL-VERSION makes a virtual machine of a Debian with systemd, which
# is in TREE, and of Debian's kernel:
#
#   DIR/disk.img    an ext4 file system without a partition table: the whole machine
#   DIR/bzImage     the kernel
#   DIR/initrd      busybox, the modules of virtio, and init.sh
#
# DIR/host is its SSH host key, DIR/user.pub the key that its root lets in.
set -euo pipefail
dir=$1 tree=$2 version=$3
here=$(cd "$(dirname "$0")" && pwd)

truncate -s 1G "$dir/disk.img"
mkfs.ext4 -q -F -d "$tree" "$dir/disk.img"
echo vm >"$dir/hostname"
tr -d - </proc/sys/kernel/random/uuid >"$dir/machine-id"
printf '127.0.0.1 localhost vm\n' >"$dir/hosts"
printf '/dev/vda / ext4 defaults 0 1\n' >"$dir/fstab"
chmod 0644 "$dir"/{hostname,machine-id,hosts,fstab,user.pub}
debugfs -w -f /dev/stdin "$dir/disk.img" >"$dir/debugfs.log" 2>&1 <<COMMANDS
cd /etc
rm fstab
rm hosts
write $dir/hostname hostname
write $dir/machine-id machine-id
write $dir/hosts hosts
write $dir/fstab fstab
cd /etc/ssh
write $dir/host ssh_host_ed25519_key
write $dir/host.pub ssh_host_ed25519_key.pub
cd authorized_keys.d
write $dir/user.pub root
COMMANDS

cp "/boot/vmlinuz-$version" "$dir/bzImage"
(cd "$dir" && apt-get -qq download busybox-static && dpkg-deb -x busybox-static_*.deb static)
root=$dir/initrd.root
mkdir -p "$root"/{bin,modules,proc,sys,dev,sysroot}
cp "$dir/static/bin/busybox" "$root/bin/busybox"
for applet in $("$dir/static/bin/busybox" --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done
install "$here/init.sh" "$root/init"
install "$here/../../../compile/lustrate.sh" "$root/lustrate"
for module in virtio_pci virtio_blk virtio_net virtio_rng; do
  while read -r what ko _; do
    [ "$what" = insmod ] || continue
    cp "$ko" "$root/modules/"
    grep -qsx "${ko##*/}" "$root/modules/order" || echo "${ko##*/}" >>"$root/modules/order"
  done < <(modprobe --set-version "$version" --show-depends "$module")
done
(cd "$root" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$dir/initrd"
