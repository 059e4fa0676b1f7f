# shellcheck shell=sh disable=SC2034,SC3013
# Every script that runs on a host begins with this.

umask 077
export LC_ALL=C
PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/sbin:/usr/bin:/sbin:/bin

profile=/nix/var/nix/profiles/system
newline='
'

# The state of locks and guards. It is on a tmpfs, so that after a restart there
# is nothing in it, and only root may enter it. What outlives a restart is in
# records.
dir=/run/muster
guard=$dir/guard
records=/var/lib/muster

# Secrets, encrypted to the host: on the disk, and on a tmpfs those that a restart
# ends. Each has sets/ID with files NAME.age, of/SYSTEM and current, links to sets.
secrets=$records/secrets
volatile=/run/muster-secrets.volatile

# secrets_link ROOT ID LINK makes LINK of a root name a set, in one step.
secrets_link() { ln -sfn "$2" "$1/$3.new" && mv -T "$1/$3.new" "$1/$3"; }

# secrets_settle SYSTEM makes the secrets of a system the current ones. Those of
# generations that are left keep what is to be kept, and others nothing.
secrets_settle() {
  set -- "${1##*/}"
  [ -d "$secrets/of" ] || return 0
  [ -e /run/current-system/etc/muster/secrets ] || secrets_forget
  wanted=$(readlink -f /run/current-system /run/booted-system "$profile"-*-link)
  for root in "$secrets" "$volatile"; do
    [ -d "$root/of" ] || continue
    if [ ! -e "/nix/store/$1/etc/muster/secrets" ]; then
      rm -f "$root/current"
    elif [ -L "$root/of/$1" ]; then
      id=$(readlink "$root/of/$1")
      secrets_link "$root" "${id#../}" current
    elif [ -L "$root/current" ]; then
      secrets_link "$root" "../$(readlink "$root/current")" "of/$1"
    fi
    used=' '
    for link in "$root"/of/*; do
      [ -L "$link" ] || continue
      id=$(readlink "$link")
      case "$wanted
" in
      */"${link##*/}
"*) ;;
      *)
        rm -f "$link"
        continue
        ;;
      esac
      used="$used${id##*/} "
      [ "${link##*/}" = "$1" ] || secrets_prune "$root/sets/${id##*/}"
    done
    for old in "$root"/sets/*; do
      case $used in *" ${old##*/} "*) ;; *) rm -rf "$old" ;; esac
    done
  done
}

# secrets_forget removes what is in memory.
secrets_forget() {
  if [ -r /run/muster-secrets.d/links ]; then
    while read -r name path; do
      [ "$(readlink "$path")" != "/run/muster-secrets/$name" ] || rm -f "$path"
    done </run/muster-secrets.d/links
  fi
  umount /run/muster-secrets.d 2>/dev/null
  rm -rf /run/muster-secrets /run/muster-secrets.d
}

# secrets_prune SET removes what is not to be kept, unless it is of the current set.
secrets_prune() {
  [ ! "$1" -ef "$root/current" ] || return 0
  for file in "$1"/*.age; do
    [ -e "$file" ] || continue
    name=${file##*/}
    grep -qxF -e "${name%.age}" "$1/.keep" || rm -f "$file"
  done
}

# uptime sets t to the time since boot in hundredths of a second, which no
# change of the clock affects.
uptime() {
  read -r t _ </proc/uptime
  t=$((${t%.*} * 100 + 1${t#*.} - 100))
}

# boot_id sets bootid to what is another after every restart. Containers share the
# kernel's ID: what changes there is when process 1 began, the 22nd field of its
# stat, or the 20th after its name.
boot_id() {
  bootid=''
  read -r bootid </proc/sys/kernel/random/boot_id || return 0
  if read -r stat </proc/1/stat; then
    set -f
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    set +f
    bootid=$bootid-${20}
  fi
}

# mutex makes the rest of the script one step: no other script with a mutex runs
# beside it.
mutex() {
  [ -d "$dir" ] || mkdir -p "$dir" || exit 1
  exec 9>"$dir/mutex"
  flock -w 20 9 || {
    echo "$dir/mutex is held" >&2
    exit 1
  }
}

# runs SYSTEM succeeds where a host runs a system; nothing is one that is empty.
runs() { if [ -n "$1" ]; then [ /run/current-system -ef "$1" ]; else [ ! -e /run/current-system ]; fi; }
running() { if [ -e /run/current-system ]; then readlink -f /run/current-system; else echo no system; fi; }

# release RUN gives the host back, where RUN has it.
release() {
  mutex
  [ ! -r "$dir/lock" ] || {
    read -r holder _ <"$dir/lock"
    [ "$holder" != "$1" ] || rm -f "$dir/lock"
  }
}

# unwritable ends a script that could not write below dir.
unwritable() {
  echo "$dir cannot be written: $(df -Pk /run | tail -n 1 | {
    read -r _ _ _ free _
    echo "$free KiB"
  }) free in /run" >&2
  exit 1
}

# guard_runs succeeds while the guard lives: it holds a lock on this file.
guard_runs() { [ -e "$guard/alive" ] && ! flock -n 6 6<"$guard/alive"; }

# set_state FILE STATE writes a guard's state: one line, then spaces. The length is
# fixed and its memory is there, so it can be written when the disk of /run is full.
set_state() { printf '%-2000.2000s\n' "$2$newline" 1<>"$1"; }

# guard_state sets state to what the guard says of itself, armed where it has
# not begun, and there to the run whose guard it is.
guard_state() {
  there='' state=armed
  [ ! -r "$guard/run" ] || read -r there <"$guard/run"
  [ ! -r "$guard/state" ] || read -r state <"$guard/state"
}

# guard_finished succeeds when state is a guard's last word.
guard_finished() {
  case $state in
  armed* | waiting* | activating* | activated* | committing* | reverting*) return 1 ;;
  esac
}

# guard_busy succeeds while a guard has not said its last word.
guard_busy() {
  guard_state
  ! guard_finished && guard_runs
}

# boot_entry FILE sets boots to the system that a boot loader's entry starts.
boot_entry() {
  set -f
  while read -r _ words; do
    for word in $words; do
      case $word in
      init=/nix/store/*/init)
        boots=${word#init=}
        boots=${boots%/init}
        ;;
      esac
    done
  done <"$1"
  set +f
}

# boot_default sets boots to the system that the boot loader would start, and to
# nothing where that cannot be told. It knows systemd-boot, GRUB's first entry and
# extlinux.
boot_default() {
  boots=''
  for esp in /boot /efi /boot/efi; do
    [ -r "$esp/loader/loader.conf" ] || continue
    entry=''
    while read -r key value _; do [ "$key" != default ] || entry=$value; done <"$esp/loader/loader.conf"
    # What bootctl set-default stores: four bytes of attributes, then UTF-16.
    chosen=/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
    [ ! -r "$chosen" ] || entry=$(tail -c +5 "$chosen" | tr -d '\0')
    entry=$esp/loader/entries/${entry%.conf}.conf
    [ ! -r "$entry" ] || boot_entry "$entry"
    return
  done
  if [ -r /boot/grub/grub.cfg ]; then
    # The default is a number, or computed from saved variables, and then unknown.
    number='' n=0
    while read -r word rest; do
      case "$word $rest" in
      'set default="'[0-9]*) number=${rest#*\"} number=${number%\"*} ;;
      'set default='[0-9]*) number=${rest#*=} ;;
      'set default='*next_entry*) ;;
      'set default='*) number=unknown ;;
      menuentry*) n=$((n + 1)) ;;
      linux*/init*) [ "$n" != 1 ] || first=$rest ;;
      esac
    done </boot/grub/grub.cfg
    case $number,${first-} in
    0,*init=/nix/store/*)
      boots=${first#*init=}
      boots=${boots%%/init*}
      ;;
    esac
  elif [ -r /boot/extlinux/extlinux.conf ]; then
    default='' label=''
    while read -r key rest; do
      case $key in
      DEFAULT) default=$rest ;;
      LABEL) label=$rest ;;
      APPEND)
        case $label,$rest in
        "$default",*init=/nix/store/*)
          boots=${rest#*init=}
          boots=${boots%%/init*}
          ;;
        esac
        ;;
      esac
    done </boot/extlinux/extlinux.conf
  fi
}
