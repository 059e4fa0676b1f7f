# shellcheck shell=sh disable=SC2154,SC3013
# inspect.sh PROFILE UUID WANT VERSION HISTORY SECRETS looks at a host and changes
# nothing on it. It prints one fact a line, name and value. UUID is that of the root
# disk, or empty. WANT is the system that the host is to have, or empty: where the host
# has it, what it takes to get it is not looked at. The version of Nix is asked where
# VERSION is not empty; HISTORY, unless empty, adds the host's history, and SECRETS what
# it has of secrets. A fleet that is up to date costs little more than this script, so
# it starts few programs.
exec 2>/dev/null
echo "time $(date +%s)"
system='' current=''
if [ -e "$1" ] && [ "$1" -ef /run/current-system ]; then
  system=$(readlink -f "$1")
  current=$system
else
  [ ! -e "$1" ] || system=$(readlink -f "$1")
  [ ! -e /run/current-system ] || current=$(readlink -f /run/current-system)
fi
if [ /run/booted-system -ef /run/current-system ]; then
  echo "booted $current"
elif [ -e /run/booted-system ]; then
  echo "booted $(readlink -f /run/booted-system)"
fi
echo "profile $system"
boot_default
[ -z "$boots" ] || echo "boots $boots"
echo "current $current"
[ ! -L "$1" ] || echo "link $(readlink "$1")"
while read -r name value _; do [ "$name" != Uid: ] || { echo "uid $value" && break; }; done </proc/self/status
if [ -n "$3" ] && [ "$system" = "$3" ] && [ "$current" = "$3" ] && [ "${boots:-$3}" = "$3" ]; then
  echo uptodate
else
  command -v nix-store >/dev/null && if [ -n "$4" ]; then echo "nix $(nix-store --version)"; else echo "nix"; fi
  for tool in flock setsid readlink head tail timeout mkfifo; do command -v $tool >/dev/null || echo "lacks $tool"; done
  echo "machine $(uname -m)"
  for d in /nix/var/nix /nix /; do
    [ -d $d ] || continue
    [ -w $d ] || echo "readonly /nix"
    break
  done
  for d in /nix/store /nix /; do [ -d $d ] && echo "space $(df -Pk $d | tail -n 1)" && break; done
  [ ! -d /boot ] || echo "bootspace $(df -Pk /boot | tail -n 1)"
  while read -r name value _; do [ "$name" != MemAvailable: ] || echo "memory $value"; done </proc/meminfo
fi
boot_id
[ -z "$bootid" ] || echo "bootid $bootid"
if [ -d /run/booted-system ] && [ -d /run/current-system ] && ! [ /run/booted-system -ef /run/current-system ]; then
  for part in kernel initrd kernel-modules systemd; do
    # A container has no kernel and no initrd.
    { [ -e /run/booted-system/$part ] && [ -e /run/current-system/$part ]; } || continue
    [ "$(readlink -f /run/booted-system/$part)" = "$(readlink -f /run/current-system/$part)" ] || echo "needs $part"
  done
fi
if [ -n "$2" ] && [ -d /dev/disk/by-uuid ]; then
  disk=/dev/disk/by-uuid/$2
  if [ ! -e "$disk" ]; then
    echo "disk missing"
  else
    # shellcheck disable=SC2086
    root=$(while read -r _ _ _ _ at _ rest; do [ "$at" != / ] || {
      set -- ${rest#*- }
      echo "$2"
    }; done </proc/self/mountinfo | tail -n 1)
    case $root in
    /dev/*) if [ "$(readlink -f "$root")" = "$(readlink -f "$disk")" ]; then echo "disk root"; else echo "disk other $root"; fi ;;
    *) echo "disk unsure $root" ;;
    esac
  fi
fi
systemctl list-units --failed --plain --no-legend --no-pager | while read -r unit _; do echo "failed $unit"; done
# NixOS forgets failures when it activates: units that had failed before the last
# activation count until they are active.
if [ -r "$dir/failed" ]; then
  read -r names <"$dir/failed"
  for unit in $names; do
    case $(systemctl show --property=ActiveState --value -- "$unit") in
    active | reloading | failed) ;;
    *) echo "failed $unit" ;;
    esac
  done
fi
if [ -r "$dir/lock" ]; then
  read -r run began beat who <"$dir/lock"
  uptime
  echo "lock $(((t - began) / 100)) $(((t - beat) / 100)) $run $who"
fi
if [ -r "$guard/run" ]; then
  guard_state
  uptime
  echo "guard $t $there $state"
fi
if [ -n "$system" ] && { [ -r "$records/deployments" ] || [ -r "$records/deployed" ]; }; then
  # RUN TIME LINK SYSTEM …, and LINK SYSTEM … in the file of an older muster, which
  # says no run. The newest is the last.
  grep -hs -e "^[^ ]* [^ ]* [^ ]* $system " -e "^[^ ]* $system " "$records/deployed" "$records/deployments" | {
    last=''
    while read -r run _; do last=$run; done
    case $last in '') ;; system-*-link) echo ours ;; *) echo "ours $last" ;; esac
  }
fi
if [ -n "$6" ] || [ -d "$secrets" ]; then
  for key in ed25519 rsa; do [ ! -r /etc/ssh/ssh_host_${key}_key.pub ] || echo "hostkey $(cat /etc/ssh/ssh_host_${key}_key.pub)"; done
  for root in "$secrets" "$volatile"; do
    base=$root/of/${3##*/}
    if [ -z "$3" ] || [ ! -e "$base" ]; then base=$root/current; fi
    [ -e "$base" ] || continue
    echo "secretbase $root $(readlink -f "$base")"
    [ "$base" -ef "$root/current" ] || echo "secretpending"
    [ ! -r "$base/.key" ] || echo "secretkey $root $(cat "$base/.key")"
    while read -r name mac; do
      [ -e "$base/$name.age" ] || continue
      echo "secretmac $root $name $mac"
      [ -e "/run/muster-secrets/$name" ] || echo "secretgone $name"
    done <"$base/.macs"
  done
  [ ! -e /run/muster-secrets.pending ] || echo secretpending
fi
[ ! -r "$records/restarting" ] || echo "restarting $(cat "$records/restarting")"
if [ -n "$5" ]; then
  for file in deployments:deployment rejected:rejected deployed:confirmed; do
    [ -r "$records/${file%:*}" ] || continue
    tail -n 500 "$records/${file%:*}" | while IFS= read -r line; do echo "${file#*:} $line"; done
  done
  profile=$1
  set --
  for link in "$profile"-*-link; do [ ! -e "$link" ] || set -- "$@" "$link"; done
  [ $# = 0 ] || readlink -f "$@" | while read -r path; do
    echo "generation ${1##*/} $path"
    shift
  done
fi
true
