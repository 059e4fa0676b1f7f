#!/usr/bin/env bash
# tree.sh DIR KERNEL-VERSION makes what the virtual machine of TestInstall is made of,
# from this machine's own programs and Debian's kernel:
#
#   DIR/userland    /usr of the installed system, and of the rescue system
#   DIR/kernel      bzImage
#   DIR/initrd      initrd of the installed system: busybox and modules
#   DIR/rescue      bzImage and initrd of the rescue system
#
# DIR/keys has the SSH host key of the rescue system (rescue, rescue.pub) and the key
# that root of it and of the installed system lets in (user.pub).
set -euo pipefail
dir=$1 version=$2
here=$(cd "$(dirname "$0")" && pwd)
system=(sshd mount umount mountpoint flock age extlinux kexec)
rescue=(nix-store nix-env sfdisk blkid wipefs mkfs.ext4 mkfs.vfat mkswap cryptsetup zstd)

mkdir -p "$dir"/{userland/usr/{bin,lib64},kernel,initrd,rescue}
ln -sfn bin "$dir/userland/usr/sbin"

# add USR PROGRAM... copies programs with their libraries below a directory. What is a
# link, such as mkfs.ext4, becomes a file of that name.
add() {
  local usr=$1 program path lib
  shift
  for program; do
    path=$(PATH=$PATH:/usr/sbin:/sbin command -v "$program") || {
      echo "$program: not found" >&2
      exit 1
    }
    install -D "$(readlink -f "$path")" "$usr/bin/$program"
    for lib in $(ldd "$path" 2>/dev/null | grep -o '/[^ ]*' || true); do
      [ -e "$usr/${lib#/usr}" ] || install -D "$(readlink -f "$lib")" "$usr/${lib#/usr}"
    done
  done
}
# A busybox that needs no libraries, which nothing has put in place yet. Debian's two
# packages of it exclude each other, so it is not installed.
(cd "$dir" && apt-get -qq download busybox-static && dpkg-deb -x busybox-static_*.deb static)
busybox=$dir/static/bin/busybox
usr=$dir/userland/usr
install "$busybox" "$usr/bin/busybox"
add "$usr" "${system[@]}"
for applet in $("$busybox" --list); do [ -e "$usr/bin/$applet" ] || ln -s busybox "$usr/bin/$applet"; done
install -D /usr/lib/EXTLINUX/gptmbr.bin "$usr/lib/EXTLINUX/gptmbr.bin"
mkdir -p "$usr/lib/systemd"
install "$here/systemd.sh" "$usr/lib/systemd/systemd"

cp "/boot/vmlinuz-$version" "$dir/kernel/bzImage"
cp "/boot/vmlinuz-$version" "$dir/rescue/bzImage"

# The root of an initrd: modules in the order in which they are loaded.
root=$dir/root
mkdir -p "$root"/{bin,modules,proc,sys,dev,run,sysroot}
cp "$busybox" "$root/bin/busybox"
install "$here/init.sh" "$root/init"
for module in virtio_pci virtio_blk virtio_net vfat nls_cp437 nls_ascii nls_utf8 nls_iso8859-1 dm_crypt xts; do
  while read -r what ko _; do
    [ "$what" = insmod ] || continue
    cp "$ko" "$root/modules/"
    grep -qsx "${ko##*/}" "$root/modules/order" || echo "${ko##*/}" >>"$root/modules/order"
  done < <(modprobe --set-version "$version" --show-depends "$module")
done
pack() { (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0 | gzip -1) >"$2"; }
pack "$root" "$dir/initrd/initrd"
cp -a "$usr" "$root/usr"
rm -f "$root"/usr/bin/{sfdisk,blkid,wipefs,mkswap}
add "$root/usr" "${rescue[@]}"
for link in sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
mv "$root/bin/busybox" "$root/busybox" && rmdir "$root/bin" && ln -s usr/bin "$root/bin" && rm "$root/busybox"
mkdir -p "$root/etc/ssh" "$root/root/.ssh" "$root/tmp"
install "$here/rescue.sh" "$root/etc/rescue"
printf 'root:x:0:0::/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
printf 'ID=rescue\nPRETTY_NAME="A rescue system"\n' >"$root/etc/os-release"
cp "$dir/keys/rescue" "$root/etc/ssh/ssh_host_ed25519_key"
cp "$dir/keys/rescue.pub" "$root/etc/ssh/ssh_host_ed25519_key.pub"
cp "$dir/keys/user.pub" "$root/root/.ssh/authorized_keys"
chmod 0600 "$root/etc/ssh/ssh_host_ed25519_key" "$root/root/.ssh/authorized_keys"
pack "$root" "$dir/rescue/initrd"
rm -rf "$root"
