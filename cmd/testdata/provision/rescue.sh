#!/bin/sh
# A machine of the lab is in a rescue system: the root that is to be installed is mounted at /mnt.
set -e
mkdir -p /newroot/usr /mnt
mount --bind /newroot /mnt
mount --bind /usr /mnt/usr
ln -sfn usr/bin usr/lib usr/lib64 usr/sbin /mnt/
