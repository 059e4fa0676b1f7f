# shellcheck shell=sh disable=SC2034,SC2154
# installlook.sh TOOLS DEVICE... looks at a machine that NixOS is to be installed on and
# changes nothing on it. It prints one fact a line, name and value. TOOLS are programs,
# with spaces between them: those that it lacks are told of. What the devices lead to has
# their number, from 0.
exec 2>/dev/null
root='' target=/mnt
for tool in $1; do command -v "$tool" >/dev/null || echo "lacks $tool"; done
shift
for file in /etc/os-release /usr/lib/os-release; do
  [ ! -r $file ] || {
    # shellcheck source=/dev/null
    echo "os $(. $file && echo "$ID ${VARIANT_ID:--} $PRETTY_NAME")"
    break
  }
done
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
[ ! -r "$target/$records/install" ] || echo "there $(head -n 1 "$target/$records/install")"

# What the devices lead to, and what the machine's disks are.
number=0 wanted=''
for device; do
  if [ -b "$device" ]; then
    path=$(readlink -f "$device")
    wanted="$wanted ${path##*/}"
    echo "wanted $number ${path##*/}"
    echo "block ${path##*/} table $(sfdisk --disk-id "$path")"
  fi
  number=$((number + 1))
done
# shellcheck disable=SC2086
disks $wanted
exit 0
