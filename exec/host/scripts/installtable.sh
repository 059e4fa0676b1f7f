# shellcheck shell=sh disable=SC2154
# installtable.sh LAYOUT [DEVICE NAME TABLE]... writes partition tables: for
# each disk its device, its name in the kernel, and what sfdisk reads. All that was on
# the disks is lost. That the user has agreed to LAYOUT is noted first, so that an
# attempt that goes on need not ask again.
alone
layout=$1
shift
echo "$layout" >"$dir/install"
unmount_below "$target" || exit 1
while [ $# -gt 0 ]; do
  disk "$1" "$2"
  release_disk "$2"
  while read -r device where _; do
    case $device in
    "/dev/$2" | "/dev/$2"[0-9]* | "/dev/$2"p[0-9]*)
      echo "$device is mounted at $where" >&2
      exit 1
      ;;
    esac
  done </proc/mounts
  # What blkid finds in the old partitions must not be found in the new ones.
  for p in "/sys/block/$2/$2"*; do [ ! -r "$p/partition" ] || wipefs -a -q "/dev/${p##*/}" 2>/dev/null || dd if=/dev/zero of="/dev/${p##*/}" bs=1024 count=1024 2>/dev/null; done
  printf '%s' "$3" | sfdisk --quiet --wipe always --wipe-partitions always "/dev/$2" || exit 1
  shift 3
done
! command -v udevadm >/dev/null || udevadm settle --timeout 20
exit 0
