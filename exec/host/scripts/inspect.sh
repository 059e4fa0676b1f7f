# shellcheck shell=sh disable=SC2154,SC3013
# inspect.sh PROFILE UUID WANT VERSION HISTORY RELEASE SECRETS COMPARE looks at a host and
# changes nothing on it. It prints one fact a line, name and value. UUID is that of the
# root disk, or empty. WANT is the system that the host is to have, or empty: where the
# host has it, what it takes to get it is not looked at. The version of Nix is asked
# where VERSION is not empty; HISTORY, unless empty, adds the host's history. RELEASE,
# unless empty, is the run that then gives the host back. SECRETS, unless empty, adds
# what the host has of secrets. COMPARE, unless empty, is a system: where the profile has
# another, it is said since when, and which generations have it. A fleet that is up to date costs little more than this
# script, so it starts few programs.
exec 2>/dev/null
echo "time $(date +%s)"
# resolve LINK sets path to what a link leads to. Most links of a host lead to the
# same: a comparison takes no program.
resolve() {
  path=''
  [ -e "$1" ] || return 0
  for path in "$want" "$system" "$current"; do
    if [ -n "$path" ] && [ "$1" -ef "$path" ]; then return; fi
  done
  path=$(readlink -f "$1")
}
want=$3 history=$5 release=$6 system='' current=''
resolve "$1"
system=$path
resolve /run/current-system
current=$path
resolve /run/booted-system
[ -z "$path" ] || echo "booted $path"
echo "profile $system"
boot_default
[ -z "$boots" ] || echo "boots $boots"
echo "current $current"
[ ! -L "$1" ] || echo "link $(readlink "$1")"
while read -r name value _; do [ "$name" != Uid: ] || { echo "uid $value" && break; }; done </proc/self/status
if [ -n "$want" ] && [ "$system,$current,${boots:-$want}" = "$want,$want,$want" ]; then
  echo uptodate
else
  command -v nix-store >/dev/null && if [ -n "$4" ]; then echo "nix $(nix-store --version)"; else echo "nix"; fi
  for tool in flock setsid readlink head tail timeout mkfifo; do command -v $tool >/dev/null || echo "lacks $tool"; done
  machine=''
  read -r machine </proc/sys/kernel/arch # since Linux 6.1
  echo "machine ${machine:-$(uname -m)}"
  for d in /nix/var/nix /nix /; do
    [ -d $d ] || continue
    [ -w $d ] || echo "readonly /nix"
    break
  done
  store=/
  for d in /nix/store /nix; do [ ! -d $d ] || { store=$d && break; }; done
  boot=''
  [ ! -d /boot ] || boot=/boot
  free=$(df -Pk $store $boot) || free=$(df -Pk $store)
  name=''
  while read -r line; do
    [ -z "$name" ] || echo "$name $line"
    case $name in
    '') name=space ;;
    space) name=bootspace ;;
    esac
  done <<LIST
$free
LIST
  while read -r name value _; do [ "$name" != MemAvailable: ] || { echo "memory $value" && break; }; done </proc/meminfo
fi
boot_id
[ -z "$bootid" ] || echo "bootid $bootid"
if [ -d /run/booted-system ] && [ -d /run/current-system ] && ! [ /run/booted-system -ef /run/current-system ]; then
  for part in kernel initrd kernel-modules systemd; do
    # A container has no kernel and no initrd.
    { [ -e /run/booted-system/$part ] && [ -e /run/current-system/$part ]; } || continue
    [ /run/booted-system/$part -ef /run/current-system/$part ] || echo "needs $part"
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
while read -r unit _; do [ -z "$unit" ] || echo "failed $unit"; done <<LIST
$(systemctl list-units --failed --plain --no-legend --no-pager)
LIST
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
if [ -r "$dir/lock" ] && read -r run began beat who <"$dir/lock"; then
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
  ours=$(grep -hs -e "^[^ ]* [^ ]* [^ ]* $system " -e "^[^ ]* $system " "$records/deployed" "$records/deployments")
  last=${ours##*"$newline"}
  case $last in '') ;; system-*-link\ *) echo ours ;; *) echo "ours ${last%% *}" ;; esac
fi
if [ -n "$8" ] && [ "$system" != "$8" ] && [ -L "$1" ]; then
  echo "since $(stat -c %Y "$1")"
  newest=0
  for link in "$1"-*-link; do
    number=${link#"$1"-}
    number=${number%-link}
    case $number in '' | *[!0-9]*) continue ;; esac
    [ "$number" -le "$newest" ] || newest=$number
    ! [ "$link" -ef "$8" ] || echo "has ${link##*/}"
  done
  echo "newest system-$newest-link"
fi
if [ -n "$7" ] || [ -d "$secrets" ]; then
  # The host's keys: those that its configuration names, those of its sshd, the usual ones.
  keys=$(
    [ ! -r /etc/muster/identities ] || while read -r key; do echo "$key"; done </etc/muster/identities
    for file in /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; do
      [ ! -r "$file" ] || while read -r name value _; do case $name in [Hh][Oo][Ss][Tt][Kk][Ee][Yy]) echo "$value" ;; esac done <"$file"
    done
    echo /etc/ssh/ssh_host_ed25519_key
    echo /etc/ssh/ssh_host_rsa_key
  )
  for wanted in ssh-ed25519 ssh-rsa; do
    while read -r key; do
      [ -r "$key.pub" ] && read -r type public _ <"$key.pub" && [ "$type" = $wanted ] && echo "hostkey $type $public $key" && [ -e "$key.muster-former" ] && echo hostkeyformer
    done <<LIST
$keys
LIST
  done
  for root in "$secrets" "$volatile"; do
    base=$root/of/${3##*/}
    if [ -z "$3" ] || [ ! -e "$base" ]; then base=$root/current; fi
    [ -e "$base" ] || continue
    echo "secretbase $root $(readlink -f "$base")"
    [ "$base" -ef "$root/current" ] || echo "secretpending"
    [ ! -r "$base/.key" ] || { read -r key <"$base/.key" && echo "secretkey $root $key"; }
    while read -r name mac; do
      [ -e "$base/$name.age" ] || continue
      echo "secretmac $root $name $mac"
      # What is in memory has the time of its file, unless somebody has changed one of them.
      memory=/run/muster-secrets/$name
      if [ ! -e "$memory" ] || [ "$memory" -nt "$base/$name.age" ] || [ "$memory" -ot "$base/$name.age" ]; then echo "secretgone $name"; fi
    done <"$base/.macs"
  done
  [ ! -e /run/muster-secrets.pending ] || echo secretpending
fi
# A line for each mesh, and for each peer in it.
[ ! -x /etc/muster/mesh ] || /etc/muster/mesh show
[ ! -r "$records/restarting" ] || echo "restarting $(cat "$records/restarting")"
if [ -n "$history" ]; then
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
# What was seen stands where the host cannot be given back.
trap 'exit 0' EXIT
[ -z "$release" ] || release "$release"
