# shellcheck shell=sh
# muster's guard. It runs on a host, in a session or unit of its own, and makes
# a system current there without ever needing the deployer:
#
#   guard.sh SYSTEM PREVIOUS ACTION GENERATION FORMER ACTIVATE CONFIRM REVERT WHO
#
#   1. switch-to-configuration test: the boot loader is not touched
#   2. wait for the file "confirm", which the deployer writes over a new
#      connection; without it in time, or with "abort", return to PREVIOUS
#   3. only then move the profile and switch-to-configuration switch (boot where
#      ACTION is that), which finds nothing left to do but the boot loader
#
# ACTION is switch, boot (no step 1 and 2) or test (no step 3). GENERATION is
# the generation of the profile to move to, 0 for a new one with SYSTEM; FORMER
# is the one it has now, 0 for none. ACTIVATE, CONFIRM and REVERT are limits in
# hundredths of a second, as /proc/uptime counts: no clock that is set can
# shorten or lengthen them.
#
# What there is to know is in the files state (one line: phase and reason), log
# (what the activation prints) and run, in the directory this script is in. It
# is gone after a reboot, and then the host has booted its boot default.

export system="$1" previous="$2"
action=$3 generation=$4 former=$5 activate=$6 confirm=$7 revert=$8 who=$9
dir=${0%/*}
profile=/nix/var/nix/profiles/system
roots=/nix/var/nix/gcroots/muster
umask 022
cd /
# The previous system's programs first: those of the new one may be the fault.
[ -z "$previous" ] || PATH=$previous/sw/bin:$PATH
export PATH="$PATH:/run/current-system/sw/bin:/nix/var/nix/profiles/default/bin:/usr/sbin:/usr/bin:/sbin:/bin"
export NIXOS_INSTALL_BOOTLOADER=0

# As long as the guard lives it holds this lock, whatever becomes of its number.
exec 8>"$dir/alive"
flock -n 8 || exit 1

state() { printf '%s\n' "$*" >"$dir/state.new" && mv -f "$dir/state.new" "$dir/state"; }
now() { # sets t
  read -r t _ </proc/uptime
  t=$((${t%.*} * 100 + 1${t#*.} - 100))
}
# nap waits a moment, after a few seconds since t0 a longer one: a host that is
# slow to change has better things to do than to start sleep.
nap() {
  now
  d=0.05
  [ $((t - ${t0:=$t})) -lt 500 ] || d=0.25
  sleep $d 8>&- 2>/dev/null || sleep 1 8>&-
}
say() { echo "muster: $*" >>"$dir/log"; }

# collect keeps what is printed until the log is a megabyte and the last bytes of
# the rest, and reads on whatever happens: nobody is held up by a full pipe.
collect() {
  : >>"$dir/log"
  room=$((1048576 - $(wc -c <"$dir/log")))
  head -c $((room > 0 ? room : 0)) >>"$dir/log"
  tail -c 16384 >"$dir/tail"
  [ ! -s "$dir/tail" ] || { echo; echo "muster: output left out here"; cat "$dir/tail"; } >>"$dir/log"
  : >"$dir/collected"
}

# act SYSTEM ACTION LIMIT runs switch-to-configuration in a session of its own
# and returns its status: 124 where it was ended for taking too long, 137 where
# it vanished.
act() {
  now
  t0=$t limit=$((t + $3))
  rm -f "$dir/status" "$dir/collected" "$dir/pid"
  # shellcheck disable=SC2016
  (setsid /bin/sh -c '
    echo $$ >"$1/pid.new" && mv "$1/pid.new" "$1/pid"
    "$2/bin/switch-to-configuration" "$3"
    echo $? >"$1/status.new" && mv "$1/status.new" "$1/status"
  ' sh "$dir" "$1" "$2" </dev/null 2>&1 | collect) 8>&- &
  pid=
  while [ ! -e "$dir/status" ]; do
    now
    if [ -z "$pid" ] && [ -e "$dir/pid" ]; then read -r pid <"$dir/pid"; fi
    if [ "$t" -ge "$limit" ]; then
      stop
      return 124
    fi
    if [ -n "$pid" ] && ! kill -s 0 "$pid" 2>/dev/null && [ ! -e "$dir/status" ]; then return 137; fi
    nap
  done
  # What it left running may hold the pipe: the log is not waited for for long.
  n=0
  while [ ! -e "$dir/collected" ] && [ $n -lt 20 ]; do nap; n=$((n + 1)); done
  read -r code <"$dir/status"
  return "$code"
}

# stop ends what act started, politely at first.
stop() {
  [ -n "$pid" ] || return 0
  kill -s TERM -- "-$pid" 2>/dev/null
  n=0
  while [ $n -lt 20 ] && kill -s 0 -- "-$pid" 2>/dev/null; do nap; n=$((n + 1)); done
  kill -s KILL -- "-$pid" 2>/dev/null
}

reason() { # COMMAND STATUS
  case $2 in
  124) echo "$1 was not done after $(($3 / 100)) s and was ended" ;;
  137) echo "$1 was killed" ;;
  *) echo "$1: exit status $2" ;;
  esac
}

moved= # the profile is on the new system
was_link=- was_system=-
if [ -L $profile ]; then was_link=$(readlink $profile) was_system=$(readlink -f $profile); fi

# recorded adds a line to a file of /var/lib/muster.
recorded() {
  mkdir -p /var/lib/muster && {
    [ ! -e "/var/lib/muster/$1" ] || tail -n 499 "/var/lib/muster/$1"
    echo "$2"
  } >/var/lib/muster/new && mv -f /var/lib/muster/new "/var/lib/muster/$1"
}

go_back() {
  state "reverting $*"
  say "returning to ${previous:-nothing}: $*"
  if [ -n "$moved" ] && [ "$former" != 0 ]; then
    [ "$generation" != 0 ] || [ "$(readlink $profile)" = "$was_link" ] || recorded rejected "$(readlink $profile) $system $(cat "$dir/run") $(date +%s)"
    nix-env --profile $profile --switch-generation "$former" 8>&- >>"$dir/log" 2>&1
  fi
  if [ "$action" != boot ] && [ -n "$previous" ]; then
    n_try=0
    # What was ended may hold a lock for a moment.
    while :; do
      act "$previous" test "$revert"
      code=$?
      [ "$(readlink -f /run/current-system)" != "$previous" ] || [ $code = 1 ] || break
      n_try=$((n_try + 1))
      [ $n_try -lt 5 ] || break
      sleep 1 8>&-
    done
  fi
  if [ -n "$moved" ] && [ "$former" != 0 ]; then
    act "$(readlink -f $profile)" boot "$revert" || say "the boot loader could not be set back"
  fi
  rm -f $roots/next
  if [ -n "$moved" ] && [ "$former" = 0 ]; then
    end "stuck $*; the system profile had no generation before"
  elif [ "$action" != boot ] && [ -z "$previous" ]; then
    end "stuck $*; there is no system before it to go back to"
  elif [ "$action" != boot ] && [ "$(readlink -f /run/current-system)" != "$previous" ]; then
    end "stuck $*; and going back failed: $(reason "switch-to-configuration test" "$code" "$revert")"
  fi
  end "reverted $*"
}

end() {
  rm -rf $roots
  state "$@"
  exit 0
}

# Until the profile has them, nothing else keeps these from the collector.
mkdir -p $roots
ln -sfn "$system" $roots/next
[ -z "$previous" ] || ln -sfn "$previous" $roots/previous

if [ "$action" != boot ]; then
  state activating
  act "$system" test "$activate" || go_back "$(reason "switch-to-configuration test" $? "$activate")"
  if [ "$(readlink -f /run/current-system)" != "$system" ]; then
    go_back "switch-to-configuration test: the running system is $(readlink -f /run/current-system) after it"
  fi
  state activated
  now
  t0=$t limit=$((t + confirm))
  while [ ! -e "$dir/confirm" ]; do
    if [ -e "$dir/abort" ]; then go_back "$(cat "$dir/abort")"; fi
    if [ -e "$dir/extend" ]; then
      rm -f "$dir/extend"
      now
      limit=$((t + confirm))
    fi
    now
    [ "$t" -lt "$limit" ] || go_back "not confirmed within $((confirm / 100)) s"
    nap
  done
fi

if [ "$action" != test ]; then
  state committing
  moved=yes
  if [ "$generation" = 0 ]; then
    nix-env --profile $profile --set "$system" 8>&- >>"$dir/log" 2>&1 || go_back "set the system profile: $(tail -n 1 "$dir/log")"
  else
    nix-env --profile $profile --switch-generation "$generation" 8>&- >>"$dir/log" 2>&1 || go_back "set the system profile: $(tail -n 1 "$dir/log")"
  fi
  act "$system" "$action" "$activate" || go_back "$(reason "switch-to-configuration $action" $? "$activate")"
  mkdir -p /var/lib/muster && link=$(readlink $profile) && {
    [ ! -e /var/lib/muster/deployed ] || tail -n 499 /var/lib/muster/deployed
    echo "$link $system $(date +%s) $who"
  } >/var/lib/muster/deployed.new && mv -f /var/lib/muster/deployed.new /var/lib/muster/deployed
fi
link=-
[ ! -L $profile ] || link=$(readlink $profile)
recorded deployments "$(cat "$dir/run") $(date +%s) $link $system $was_link $was_system ${previous:--} $who"
end 'done'
