# shellcheck shell=sh disable=SC2154
# installlook.sh TOOLS DEVICE... looks at a machine that NixOS is to be installed on and
# changes nothing on it. It prints one fact a line, name and value. TOOLS are programs,
# with spaces between them: those that it lacks are told of. Facts on a disk begin with
# its number among the devices, from 0.
exec 2>/dev/null
target=/mnt
for tool in $1; do command -v "$tool" >/dev/null || echo "lacks $tool"; done
shift
for file in /etc/os-release /usr/lib/os-release; do
  [ ! -r $file ] || {
    # shellcheck source=/dev/null
    echo "os $(. $file && echo "$ID ${VARIANT_ID:--} $PRETTY_NAME")"
    break
  }
done
# mounts prints WHERE TYPE SOURCE for each mount; the last of one place hides others.
mounts() {
  while read -r _ _ _ _ where _ rest; do
    # shellcheck disable=SC2086
    set -- ${rest#*- }
    echo "$where $1 $2"
  done </proc/self/mountinfo
}
all=$(mounts)
root=$(echo "$all" | grep '^/ ' | tail -n 1)
echo "root ${root#/ }"
uid=$(id -u)
echo "uid $uid"
echo "machine $(uname -m)"
if [ -d /sys/firmware/efi ]; then echo "firmware efi"; else echo "firmware bios"; fi
while read -r name value _; do [ "$name" != MemTotal: ] || { echo "memory $value" && break; }; done </proc/meminfo
boot_id
[ -z "$bootid" ] || echo "bootid $bootid"
[ ! -e /run/current-system ] || echo "current $(readlink -f /run/current-system)"
[ ! -e /run/booted-system ] || echo "booted $(readlink -f /run/booted-system)"
if [ -r "$records/deployments" ]; then
  last=$(grep . "$records/deployments" | tail -n 1)
  echo "deployed ${last%% *}"
fi
[ ! -r "$records/install" ] || echo "pending $(head -n 1 "$records/install")"
[ ! -r "$dir/install" ] || echo "agreed $(head -n 1 "$dir/install")"
if echo "$all" | grep -q "^$target "; then echo "mounted $(head -n 1 "$target/$records/install")"; fi

# serial NAME sets serial to that of a disk, from what udev knows or from the kernel.
serial() {
  serial=''
  read -r number <"/sys/block/$1/dev"
  if [ -r "/run/udev/data/b$number" ]; then
    serial=$(sed -n 's/^E:ID_SERIAL_SHORT=//p' "/run/udev/data/b$number")
    [ -n "$serial" ] || serial=$(sed -n 's/^E:ID_SERIAL=//p' "/run/udev/data/b$number")
  fi
  for file in "/sys/block/$1/serial" "/sys/block/$1/device/serial"; do
    [ -n "$serial" ] || [ ! -r "$file" ] || serial=$(tr -d ' \n' <"$file")
  done
  [ -n "$serial" ] || [ ! -r "/sys/block/$1/device/vpd_pg80" ] || serial=$(tail -c +5 "/sys/block/$1/device/vpd_pg80" | tr -d ' \000')
}

# used NAME prints what a disk or a partition is in use as.
used() {
  while read -r device where _; do
    case $device in /dev/*) [ "$(readlink -f "$device")" != "/dev/$1" ] || echo "$where" ;; esac
  done </proc/mounts
  while read -r device _; do [ "$(readlink -f "$device")" != "/dev/$1" ] || echo swap; done </proc/swaps
  for holder in "$2/holders"/*; do [ ! -e "$holder" ] || echo "part of ${holder##*/}"; done
}

number=0
for device; do
  i=$number number=$((number + 1))
  if [ ! -b "$device" ]; then
    echo "disk $i missing"
    continue
  fi
  path=$(readlink -f "$device")
  name=${path##*/}
  echo "disk $i name $name"
  [ -d "/sys/block/$name" ] || {
    echo "disk $i partition"
    continue
  }
  echo "disk $i size $(cat "/sys/block/$name/size")"
  serial "$name"
  echo "disk $i serial $serial"
  echo "disk $i model $(cat "/sys/block/$name/device/model")"
  [ "$(cat "/sys/block/$name/ro")" != 1 ] || echo "disk $i readonly"
  echo "disk $i table $(sfdisk --disk-id "/dev/$name")"
  content=$(blkid "/dev/$name")
  [ -z "$content" ] || echo "disk $i holds $name $(cat "/sys/block/$name/size") ${content#*:}"
  used "$name" "/sys/block/$name" | while read -r as; do echo "disk $i used $name $as"; done
  for part in "/sys/block/$name/$name"*; do
    [ -r "$part/partition" ] || continue
    p=${part##*/}
    content=$(blkid "/dev/$p")
    echo "disk $i holds $p $(cat "$part/size") ${content#*:}"
    used "$p" "$part" | while read -r as; do echo "disk $i used $p $as"; done
  done
done
named=' '
for link in /dev/disk/by-id/*; do
  [ -b "$link" ] || continue
  path=$(readlink -f "$link")
  [ -d "/sys/block/${path##*/}" ] || continue
  echo "named ${link##*/} ${path##*/} $(cat "/sys/block/${path##*/}/size")"
  named="$named${path##*/} "
done
for disk in /sys/block/*; do
  name=${disk##*/}
  case $name in loop* | ram* | zram* | fd[0-9]* | sr[0-9]* | nbd* | dm-* | md* | '*') continue ;; esac
  case $named in *" $name "*) continue ;; esac
  echo "nameless $name $(cat "$disk/size")"
done
exit 0
