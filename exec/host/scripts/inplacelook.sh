# shellcheck shell=sh disable=SC2154
# inplacelook.sh [WHERE DEVICE]... says what matters where NixOS is to take the place of
# the Linux that runs, and changes nothing: one fact a line. WHERE and DEVICE are the file
# systems that the new system mounts.
exec 2>/dev/null
kind=''
[ ! -r /run/systemd/container ] || read -r kind </run/systemd/container
[ -n "$kind" ] || kind=$(tr '\000' '\n' </proc/1/environ | sed -n 's/^container=//p')
[ -z "$kind" ] || echo "container $kind"
[ ! -e /etc/NIXOS_LUSTRATE ] || echo waiting

# free WHERE prints the bytes that are free there, and the files.
free() {
  set -- "$(df -Pk "$1" | tail -n 1)" "$(df -Pi "$1" | tail -n 1)"
  # shellcheck disable=SC2086
  echo "$(set -- $1 && echo "$4") $(set -- $2 && echo "$4")"
}
nix=/
[ ! -d /nix ] || nix=/nix
echo "free store $(free $nix)"
[ ! -d /boot ] || echo "free boot $(free /boot)"

# mounted NUMBER WHERE TYPE SOURCE... prints a mount that is part of the root or below it.
# A source such as /dev/root is none that is there: the number says what it is.
mounted() {
  case $2 in /proc | /proc/* | /sys | /sys/* | /dev | /dev/* | /run | /run/*) return ;; esac
  source=$4
  case $4 in
  /dev/*)
    source=$(readlink -f "$4")
    if [ ! -b "$4" ] && [ -e "/sys/dev/block/$1" ]; then
      source=$(readlink -f "/sys/dev/block/$1")
      source=/dev/${source##*/}
    fi
    ;;
  esac
  echo "mount $2 $3 $source"
}
# shellcheck disable=SC2086
while read -r _ _ number _ where _ rest; do mounted "$number" "$where" ${rest#*- }; done </proc/self/mountinfo

# known DEVICE prints the device that a name leads to, also where udev makes no links.
known() {
  name=${1##*/}
  case $1 in
  UUID=*) blkid -U "${1#UUID=}" ;;
  LABEL=*) blkid -L "${1#LABEL=}" ;;
  /dev/*)
    if [ -b "$1" ]; then
      readlink -f "$1"
    else
      case $1 in
      */by-uuid/*) blkid -U "$name" ;;
      */by-label/*) blkid -L "$name" ;;
      */by-partuuid/*) blkid -t "PARTUUID=$name" -o device ;;
      */by-partlabel/*) blkid -t "PARTLABEL=$name" -o device ;;
      esac
    fi
    ;;
  *) echo "$1" ;;
  esac
}
while [ $# -gt 1 ]; do
  echo "wants $1 $(known "$2" | head -n 1)"
  shift 2
done
for file in /etc/ssh/ssh_host_*_key.pub; do
  [ ! -r "$file" ] || read -r type key _ <"$file"
  [ -z "$key" ] || echo "hostkey $type $key"
  type='' key=''
done
exit 0
