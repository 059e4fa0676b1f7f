#!/bin/sh
# The program kexec/run of an installer for the virtual machine: it takes the SSH host
# keys and the authorized keys along, and has the rescue system take the machine over.
set -e
here=$(cd "$(dirname "$0")" && pwd)
extra=$here/extra
rm -rf "$extra"
mkdir -p "$extra/etc/ssh" "$extra/root/.ssh"
cp /etc/ssh/ssh_host_* "$extra/etc/ssh/"
cat /etc/ssh/authorized_keys.d/root >"$extra/root/.ssh/authorized_keys"
chmod 0700 "$extra/root/.ssh"
chmod 0600 "$extra/root/.ssh/authorized_keys"
(cd "$extra" && find . | cpio -o -H newc) | gzip -1 >"$here/keys.gz"
cat "$here/keys.gz" >>"$here/initrd"
kexec --load "$here/bzImage" --initrd="$here/initrd" --command-line="console=ttyS0 quiet"
(sleep 1 && kexec --exec) </dev/null >/dev/null 2>&1 &
