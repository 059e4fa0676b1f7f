# shellcheck shell=sh disable=SC3013,SC2154
# adopt.sh [ROOT] says what a running Linux is made of, and changes nothing on it: one
# fact a line, a word and the rest. It reads /proc, /sys, the database of udev and a few
# files of /etc, for which it needs no program; what only programs know it asks those
# that are there. With ROOT, it reads a directory that holds such files, and recorded/
# in it has what the programs printed.
exec 2>/dev/null
root=$1

echo 'adopt 1'
[ -n "$root" ] || while read -r name value _; do
  [ "$name" != Uid: ] || { say uid "$value" && break; }
done </proc/self/status

# The machine.
first /proc/sys/kernel/arch # since Linux 6.1
[ -n "$line" ] || [ -n "$root" ] || line=$(uname -m)
say machine "$line"
fact kernel /proc/sys/kernel/osrelease
fact name /proc/sys/kernel/hostname
fact etcname /etc/hostname
if [ -r "$root/etc/os-release" ]; then facts os /etc/os-release; else facts os /usr/lib/os-release; fi
while read -r name value _; do [ "$name" != MemTotal: ] || { say memory "$value" && break; }; done <"$root/proc/meminfo"
while IFS= read -r line; do
  case $line in
  vendor_id* | 'model name'* | flags* | Features*) say cpu "$line" ;;
  '') break ;;
  esac
done <"$root/proc/cpuinfo"
fact cpus /sys/devices/system/cpu/online
for name in sys_vendor product_name board_vendor; do fact "dmi $name" /sys/class/dmi/id/$name; done
fact hypervisor /sys/hypervisor/type
fact container /run/systemd/container
ask virt systemd-detect-virt
fact cmdline /proc/cmdline

# How it starts.
if [ -d "$root/sys/firmware/efi" ]; then
  echo 'firmware efi'
  fact efibits /sys/firmware/efi/fw_platform_size
else
  echo 'firmware bios'
fi
info=$root/sys/firmware/efi/efivars/LoaderInfo-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
[ ! -r "$info" ] || say loaderinfo "$(tr -cd ' -~' <"$info")"
for name in /boot/loader/loader.conf /boot/efi/loader/loader.conf /efi/loader/loader.conf \
  /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/efi/EFI/grub/grub.cfg /boot/extlinux/extlinux.conf; do
  [ ! -e "$root$name" ] || say loader "$name"
done

disks
facts fstab /etc/fstab
facts crypttab /etc/crypttab
[ ! -r "$root/etc/hostid" ] || say hostid "$(od -An -tx4 -N4 "$root/etc/hostid")"

# What the first stage of a boot needs drivers for: storage, keyboards, and the
# controllers they hang on.
for d in "$root"/sys/bus/pci/devices/*; do
  first "${d#"$root"}/class"
  class=$line
  case $class in 0x01* | 0x02* | 0x0c00* | 0x0c03*) ;; *) continue ;; esac
  first "${d#"$root"}/vendor"
  vendor=$line
  first "${d#"$root"}/device"
  device=$line
  module "$d"
  say pci "${d##*/} $class $vendor $device $line"
done
for d in "$root"/sys/bus/usb/devices/*; do
  first "${d#"$root"}/bInterfaceClass"
  class=$line
  case $class in 08 | 03) ;; *) continue ;; esac
  first "${d#"$root"}/bInterfaceProtocol"
  protocol=$line
  module "$d"
  say usb "${d##*/} $class $protocol $line"
done
for d in "$root"/sys/class/mmc_host/*; do
  [ -e "$d" ] || continue
  module "$d/device"
  say mmc "${d##*/} $line"
done

# The network.
for d in "$root"/sys/class/net/*; do
  name=${d##*/}
  case $name in lo | '*' | veth* | docker* | cni* | cali* | flannel* | tap* | vnet*) continue ;; esac
  fact "net $name mac" "${d#"$root"}/address"
  fact "net $name state" "${d#"$root"}/operstate"
  [ ! -e "$d/device" ] || echo "net $name physical"
  for kind in bridge bonding wireless tun_flags; do [ ! -e "$d/$kind" ] || say "net $name kind" "$kind"; done
  fact "net $name mode" "${d#"$root"}/bonding/mode"
  if [ -e "$root/proc/net/vlan/$name" ]; then
    echo "net $name kind vlan"
    while read -r word second third _; do
      [ "$second" != VID: ] || say "net $name vlan" "$third"
      [ "$word" != Device: ] || say "net $name over" "$second"
    done <"$root/proc/net/vlan/$name"
  fi
  [ ! -e "$d/master" ] || say "net $name master" "$(readlink "$d/master")"
  module "$d/device"
  say "net $name module" "$line"
done
if [ -r "$root/recorded/ip" ] || { [ -z "$root" ] && command -v ip >/dev/null; }; then
  ask addr ip -o addr show
else
  echo noaddr
  facts inet6 /proc/net/if_inet6
  facts trie /proc/net/fib_trie
fi
# DHCP clients that set addresses which do not lapse.
for d in "$root"/proc/[0-9]*; do
  first "${d#"$root"}/comm"
  case $line in udhcpc | dhclient | dhcpcd) say dhcp "$(tr '\000' ' ' <"$d/cmdline")" ;; esac
done
facts route /proc/net/route
[ ! -r "$root/proc/net/ipv6_route" ] || while IFS= read -r line; do
  case $line in "00000000000000000000000000000000 00 "*) say route6 "$line" ;; esac
done <"$root/proc/net/ipv6_route"
facts resolv /etc/resolv.conf
facts resolved /run/systemd/resolve/resolv.conf

# Who can log in. Of passwords it says only that there is one.
for file in "$root"/etc/ssh/ssh_host_*_key.pub; do [ ! -r "$file" ] || fact hostkey "${file#"$root"}"; done
[ ! -r "$root/etc/passwd" ] || while IFS=: read -r name _ uid gid _ home shell; do
  case $shell in */nologin | */false | */sync | */shutdown | */halt) continue ;; esac
  case $uid in 0) ;; [0-9] | [0-9][0-9] | [0-9][0-9][0-9] | 65534 | '') continue ;; esac
  case $name in nixbld*) continue ;; esac
  say user "$name $uid $gid $home $shell"
  for file in "/etc/ssh/authorized_keys.d/$name" "$home/.ssh/authorized_keys"; do facts "key $name $file" "$file"; done
done <"$root/etc/passwd"
[ ! -r "$root/etc/shadow" ] || while IFS=: read -r name hash _; do
  case $hash in '' | '!'* | '*'*) ;; *) say password "$name" ;; esac
done <"$root/etc/shadow"
[ ! -r "$root/etc/group" ] || while IFS= read -r line; do
  case $line in sudo:* | wheel:* | admin:*) say group "$line" ;; esac
done <"$root/etc/group"

# NixOS.
for file in /run/current-system/configuration.nix /etc/nixos/configuration.nix /etc/nixos/flake.nix \
  "$root"/etc/nixos/*.nix "$root"/etc/nixos/*/*.nix; do
  file=${file#"$root"}
  [ -r "$root$file" ] || continue
  say nixfile "$file"
  while IFS= read -r line; do
    case $line in *stateVersion*=*\"*\"*) say "state $file" "$line" ;; esac
  done <"$root$file"
done
fact "release /run/current-system" /run/current-system/nixos-version
for link in "$root"/nix/var/nix/profiles/system-*-link; do
  [ ! -r "$link/nixos-version" ] || fact "release ${link#"$root"}" "${link#"$root"}/nixos-version"
done
[ ! -e "$root/etc/systemd/system/nixos-upgrade.timer" ] || echo autoupgrade
exit 0
