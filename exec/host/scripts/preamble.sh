# shellcheck shell=sh
# Every script that runs on a host begins with this.

umask 077
export LC_ALL=C
PATH=$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/sbin:/usr/bin:/sbin:/bin

# The state of locks and guards. It is on a tmpfs, so that after a restart there
# is nothing in it, and only root may enter it.
dir=/run/muster
guard=$dir/guard

# uptime sets t to the time since boot in hundredths of a second, which no
# change of the clock affects.
uptime() {
  read -r t _ </proc/uptime
  t=$((${t%.*} * 100 + 1${t#*.} - 100))
}

# mutex makes the rest of the script one step: no other script with a mutex runs
# beside it.
mutex() {
  mkdir -p "$dir" && chmod 0700 "$dir" || exit 1
  exec 9>"$dir/mutex"
  flock -w 20 9 || {
    echo "$dir/mutex is held" >&2
    exit 1
  }
}

# guard_runs succeeds while the guard lives: it holds a lock on this file.
guard_runs() { [ -e "$guard/alive" ] && ! flock -n "$guard/alive" true; }
