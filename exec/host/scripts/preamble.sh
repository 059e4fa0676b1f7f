# shellcheck shell=sh disable=SC2034,SC3013
# Every script that runs on a host begins with this. What only some need is in
# sets.sh, bootdefault.sh, launch.sh, watch.sh and words.sh.

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
