# shellcheck shell=sh disable=SC2154,SC2034
# What scripts of an installation need of each other. The system is put together below
# target; a lock keeps a script that outlived its connection from the next one.
target=/mnt

# alone makes the rest of the script one step of the installation.
alone() {
  mkdir -p "$dir"
  exec 8>"$dir/install.lock"
  flock -w 900 8 || {
    echo "an earlier step of the installation is still at work on the machine" >&2
    exit 1
  }
}

# disk DEVICE NAME ends the script unless the device is still that disk.
disk() {
  path=''
  [ ! -b "$1" ] || path=$(readlink -f "$1")
  [ "$path" = "/dev/$2" ] || {
    echo "$1 is ${path:-no device} now, and was /dev/$2" >&2
    exit 1
  }
}

# part NAME NUMBER sets part to the device of a partition, which may still be on its
# way.
part() {
  part='' tries=0
  while [ $tries -lt 100 ]; do
    for p in "/sys/block/$1/$1"*; do
      if [ -r "$p/partition" ] && [ "$(cat "$p/partition")" = "$2" ] && [ -b "/dev/${p##*/}" ]; then
        part=/dev/${p##*/}
        return
      fi
    done
    tries=$((tries + 1))
    sleep 0.1
  done
  echo "/dev/$1 has no partition $2" >&2
  exit 1
}

# unmount_below DIR unmounts what is mounted at a directory and below it, the last first.
unmount_below() {
  below=''
  while read -r _ where _; do
    case $where in "$1" | "$1"/*) below="$where $below" ;; esac
  done </proc/mounts
  for where in $below; do umount "$where" || umount -l "$where" || return 1; done
}

# release_disk NAME gives up what an earlier attempt uses a disk for.
release_disk() {
  for p in "/sys/block/$1/$1"*; do
    [ -r "$p/partition" ] || continue
    while read -r device _; do [ "$device" != "/dev/${p##*/}" ] || swapoff "$device"; done </proc/swaps
    for holder in "$p/holders"/*; do
      [ -r "$holder/dm/name" ] || continue
      cryptsetup close "$(cat "$holder/dm/name")" || exit 1
    done
  done
}
