# Makes the machine run and boot the system in $systemConfig, which toplevel.nix
# assigns. Actions, exit statuses and output are those of NixOS.
#
# Where systemd runs, switch-units.pl deals with it. Where it does not, what would be
# a running unit is a file /run/minios/units/NAME that says which unit file it was
# started from.
#
# shellcheck shell=sh
# shellcheck disable=SC2154 # systemConfig
# shellcheck disable=SC2086 # lists of units are split into words

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin
action=$1
running=/run/minios/units
systemd=
if [ -d /run/systemd/system ] && [ "$(cat /proc/1/comm)" = systemd ]; then systemd=yes; fi
log=/var/log/minios/activations

case $action in
switch | boot | test | dry-activate) ;;
*)
  cat >&2 <<EOF
Usage: $0 [switch|boot|test|dry-activate]

switch:       make the configuration the boot default and activate now
boot:         make the configuration the boot default
test:         activate the configuration, but don't make it the boot default
dry-activate: show what would be done if this configuration were activated
EOF
  exit 1
  ;;
esac

# record STATUS [KEY=VALUE...] appends one line to the log of activations.
record() {
  status=$1
  shift
  mkdir -p /var/log/minios
  echo "time=$(date -u +%Y-%m-%dT%H:%M:%SZ) action=$action toplevel=$systemConfig status=$status $*" >> $log
}

# join NAME... prints them as NixOS does: a, b, c
join() {
  out=
  for name in "$@"; do out="${out:+$out, }$name"; done
  echo "$out"
}
say() { [ $# -lt 2 ] || { text=$1; shift; echo "$text $(join "$@")" >&2; }; }
set_of() { echo "$*" | tr ' ' , ; }

# ---- one at a time ------------------------------------------------------

if [ "$action" != dry-activate ] || [ -n "$systemd" ]; then
  mkdir -p /run/nixos
  exec 9> /run/nixos/switch-to-configuration.lock
  if command -v flock > /dev/null && ! flock -n 9; then
    echo "Could not acquire lock" >&2
    # NixOS ends with the error number, EAGAIN.
    [ -z "$systemd" ] || exit 11
    exit 1
  fi
fi

# ---- the boot menu: one entry a generation, and which is the default ----

write_file() { # PATH, content on stdin; never half a file
  cat > "$1.tmp" && mv -f "$1.tmp" "$1"
}
write_entry() { # NAME TITLE SYSTEM
  write_file "/boot/loader/entries/$1.conf" <<EOF
title NixOS
version $2
linux $(readlink -f "$3/kernel")
initrd $(readlink -f "$3/initrd")
options init=$3/init $(cat "$3/kernel-params")
EOF
}
install_boot_loader() {
  mkdir -p /boot/loader/entries || return 1
  default=
  keep=
  for link in /nix/var/nix/profiles/system-*-link; do
    system=$(readlink -f "$link") || continue
    [ -e "$system/init" ] || continue
    n=${link##*/system-}
    n=${n%-link}
    entry=nixos-generation-$n
    write_entry "$entry" "Generation $n $(cat "$system/nixos-version")" "$system" || return 1
    keep="$keep $entry"
    [ "$system" != "$systemConfig" ] || default=$entry
  done
  # A system outside the profile boots all the same.
  if [ -z "$default" ]; then
    default=nixos-system
    write_entry $default "$(cat "$systemConfig/nixos-version")" "$systemConfig" || return 1
    keep="$keep $default"
  elif [ "$(readlink -f /nix/var/nix/profiles/system)" = "$systemConfig" ]; then
    # Of several generations of one system, the profile's own is the default.
    current=$(basename "$(readlink /nix/var/nix/profiles/system)" -link)
    default=nixos-generation-${current#system-}
  fi
  printf 'timeout 5\ndefault %s.conf\n' "$default" | write_file /boot/loader/loader.conf || return 1
  for entry in /boot/loader/entries/nixos-*.conf; do
    name=${entry##*/}
    case " $keep " in *" ${name%.conf} "*) ;; *) rm -f "$entry" ;; esac
  done
  [ ! -x "$systemConfig/bin/install-boot-loader" ] || "$systemConfig/bin/install-boot-loader" "$systemConfig" >&2
}

if [ "$action" = switch ] || [ "$action" = boot ]; then
  echo "updating the boot menu..." >&2
  if ! install_boot_loader; then
    echo "Failed to install bootloader" >&2
    record 1
    exit 1
  fi
  if [ "$action" = boot ]; then
    record 0
    exit 0
  fi
fi

# ---- an init that cannot take over from the running one -----------------

interface() { cat "$1/init-interface-version" 2> /dev/null; }
if [ -e /run/current-system ] && [ "$(interface /run/current-system)" != "$(interface "$systemConfig")" ]; then
  cat >&2 << EOF
Warning: the new NixOS configuration has an ‘init’ that is
incompatible with the current configuration.  The new configuration
won't take effect until you reboot the system.

EOF
  [ "$action" = dry-activate ] || record 100
  exit 100
fi

[ -z "$systemd" ] || exec perl "$systemConfig/lib/switch-units.pl" "$systemConfig" "$action"

# ---- what changes between the running units and the new system's --------

new=$systemConfig/etc/systemd/system
stop='' restart='' reload='' start='' unchanged=''
has() { grep -qx "$2" "$1" 2> /dev/null; } # has UNITFILE LINE

if [ -d $running ]; then
  for f in "$running"/*; do
    [ -e "$f" ] || continue
    unit=${f##*/}
    from=$(sed -n 's/^unit=//p' "$f")
    if [ ! -e "$new/$unit" ]; then
      stop="$stop $unit"
    elif [ "$(sed -n 's/^state=//p' "$f")" = failed ]; then
      start="$start $unit"
    elif ! cmp -s "$from" "$new/$unit"; then
      if has "$new/$unit" X-ReloadIfChanged=true; then
        reload="$reload $unit"
      elif has "$new/$unit" X-RestartIfChanged=false; then
        unchanged="$unchanged $unit"
      else
        restart="$restart $unit"
      fi
    fi
  done
fi
for f in "$new"/*.wants/*; do
  [ -e "$f" ] || continue
  unit=${f##*/}
  [ -e "$running/$unit" ] && continue
  case " $start " in *" $unit "*) ;; *) start="$start $unit" ;; esac
done

if [ "$action" = dry-activate ]; then
  say "would stop the following units:" $stop
  say "would NOT restart the following changed units:" $unchanged
  echo "would activate the configuration..." >&2
  say "would reload the following units:" $reload
  say "would restart the following units:" $restart
  say "would start the following units:" $start
  exit 0
fi

# ---- do it --------------------------------------------------------------

mkdir -p $running
failed=
start_unit() {
  path=$(readlink -f "$new/$1")
  state=active
  if has "$path" X-Minios-Fail=true; then
    state=failed
    failed="$failed $1"
  fi
  printf 'state=%s\nunit=%s\n' $state "$path" > "$running/$1.tmp" && mv "$running/$1.tmp" "$running/$1"
}

say "stopping the following units:" $stop
for unit in $stop; do rm -f "$running/$unit"; done
say "NOT restarting the following changed units:" $unchanged

echo "activating the configuration..." >&2
status=0
"$systemConfig/activate" 9>&- || status=2

say "reloading the following units:" $reload
for unit in $reload; do start_unit "$unit"; done
say "restarting the following units:" $restart
for unit in $restart; do rm -f "$running/$unit"; start_unit "$unit"; done
say "starting the following units:" $start
for unit in $start; do start_unit "$unit"; done
if [ -n "$failed" ]; then
  say "warning: the following units failed:" $failed
  status=4
fi

record $status "stop=$(set_of $stop)" "restart=$(set_of $restart)" "reload=$(set_of $reload)" "start=$(set_of $start)" "failed=$(set_of $failed)"
exit $status
