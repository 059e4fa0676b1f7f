# shellcheck shell=sh disable=SC2154
# muster's guard. It runs on a host, in a session or unit of its own, and makes
# a system current there without ever needing the deployer:
#
#   1. switch-to-configuration test: what would be booted is not touched
#   2. wait for the file "confirm", which the deployer writes over a new
#      connection; without it in time, or with "abort", return to PREVIOUS
#   3. only then move the profile, and switch-to-configuration boot for the boot
#      loader: what runs is there already and is not activated again
#
# The first argument is what to do:
#
#   run      be the guard
#   watch    start the guard and wait until it is gone, and start it again if it had
#            not finished
#   check    start it again if it is gone and had not finished
#
# The other arguments, a line each in the file args:
#
#   RUN SYSTEM PREVIOUS ACTION GENERATION FORMER ACTIVATE CONFIRM REVERT BUSY
#   FAILED INSTALL KEEP WHO FORMER-SYSTEM BOOTS
#
# ACTION is switch, boot (no step 1 and 2) or test (no step 3). GENERATION is
# the generation of the profile to move to, 0 for a new one with SYSTEM; FORMER
# is the one it has, 0 for none, FORMER-SYSTEM what that is, and BOOTS what the
# boot loader would start, empty where that cannot be told. ACTIVATE, CONFIRM,
# REVERT and BUSY (for the lock of another activation) are limits in hundredths of
# a second, as /proc/uptime counts: no clock that is set can change them. FAILED
# says which failed units make the activation fail: new, any or ignore. INSTALL is
# 1 to install the boot loader anew. With a CONFIRM of 0 the system is kept without
# step 2, and with a KEEP of 1 a host whose activation fails is left as it is.
#
# What there is to know is in the files state (one line of fixed length: phase and
# reason), log (what the activation prints) and run, in the directory this script
# is in. It is gone after a reboot, and then the host has booted its boot default.
# Everything the guard decides by is read from the host or from these files: a
# guard that was killed is started again and goes on.

self=${0%/*}
roots=/nix/var/nix/gcroots/muster
switchlock=/run/nixos/switch-to-configuration.lock
acts=0
settle=3000 # units that are still starting are waited for, in hundredths of a second

what=$1
shift
run=$1

case $what in
check)
  guard_state
  if guard_finished || [ "$there" != "$run" ]; then
    systemctl stop "muster-$run-watch.timer"
  elif ! guard_runs; then
    launch "$@"
  fi
  exit
  ;;
watch)
  /bin/sh "$self/guard.sh" run "$@"
  while :; do
    guard_state
    if guard_finished || [ "$there" != "$run" ]; then exit; fi
    # Where another has taken its place, that is waited for: the kernel releases the
    # lock when it ends, however it does.
    flock 6 6<"$self/alive"
    sleep 1
    guard_state
    if guard_finished; then exit; fi
    guard_runs || {
      launch "$@"
      exit
    }
  done
  ;;
esac

system=$2 previous=$3 action=$4 generation=$5 former=$6
activate=$7 confirm=$8 revert=$9
shift 9
busy=$1 failed=$2 install=$3 keep=$4 who=$5 formersystem=$6 booted=$7

umask 022
cd /
# The previous system's programs first: those of the new one may be the fault.
[ -z "$previous" ] || PATH=$previous/sw/bin:$PATH
export PATH
export NIXOS_INSTALL_BOOTLOADER="$install"

# As long as the guard lives it holds alive, and busy while something happens.
exec 7>"$self/busy" 8>"$self/alive"
{ flock -w 5 8 && flock 7; } || exit 1

# quiet runs a program that must not keep the locks.
quiet() { "$@" 5>&- 7>&- 8>&-; }
state() { set_state "$self/state" "$*"; }
say() { echo "muster: $*" >>"$self/log"; }

# collect keeps the first of what is printed, up to 512 KiB, and the last of the rest,
# and reads on whatever happens: nobody is held up by a full pipe. dd writes at once
# what it reads, and counts each read, however short; head would keep it until it ends.
collect() {
  if reads=$(dd bs=128 count=4096 2>&1 >>"$self/log"); then
    reads=${reads%% records in*}
    reads=${reads##*[!0-9+]} # FULL+SHORT
    [ $((${reads%+*} + ${reads#*+})) -ge 4096 ] || return 0
  fi
  tail -c 16384 >"$self/tail"
  [ ! -s "$self/tail" ] || {
    echo
    echo "muster: output left out here"
    cat "$self/tail"
  } >>"$self/log"
}

# act SYSTEM ACTION LIMIT runs switch-to-configuration and returns its status: 124
# where it was ended for taking too long, 137 where it was killed. What it leaves
# running may hold its output open: that is waited for a second only.
act() {
  acts=$((acts + 1))
  pipe=$pipes.$acts # no other has had it
  [ -p "$pipe" ] || mkfifo "$pipe" || return 1
  : >"$self/collecting"
  (
    exec 5>&- 6>"$self/collecting" 7>&- 8>&-
    flock 6
    collect <"$pipe"
  ) &
  quiet timeout -k 2 $((($3 + 99) / 100)) "$1/bin/switch-to-configuration" "$2" </dev/null >"$pipe" 2>&1
  act_code=$?
  quiet flock -w 1 6 6<"$self/collecting"
  return $act_code
}

# switch is act where another activation has the lock of NixOS: it is waited for,
# and 75 returned when that takes longer than BUSY. A guard that commits or goes back
# keeps its state meanwhile: started again, it goes on with that.
switch() {
  uptime
  give_up=$((t + busy))
  while :; do
    if [ -e $switchlock ] && ! quiet flock -n 6 6<$switchlock; then
      guard_state
      was=$state
      case $was in
      committing* | reverting*) ;;
      *) state "waiting for another activation on the host, which holds $switchlock" ;;
      esac
      say "another activation on the host holds $switchlock: waiting for it"
      quiet flock -w $(((busy + 99) / 100)) 6 6<$switchlock || return 75
      state "$was"
    fi
    act "$1" "$2" "$3"
    code=$?
    case $code in
    11) ;; # EAGAIN, as NixOS ends when it does not get the lock
    1) tail -n 3 "$self/log" | grep -qi 'could not acquire lock' || return 1 ;;
    *) return $code ;;
    esac
    uptime
    [ "$t" -lt $give_up ] || return 75
    quiet sleep 0.5
  done
}

reason() { # COMMAND STATUS LIMIT
  case $2 in
  75) echo "another activation on the host holds $switchlock" ;;
  124) echo "$1 was not done after $(($3 / 100)) s and was ended" ;;
  137) echo "$1 was killed" ;;
  *) echo "$1: exit status $2" ;;
  esac
}

# ---- units ---------------------------------------------------------------

# list_units sets bad to the units that have failed or wait to be started again,
# again to the latter, and starting to those that are being started; each name
# stands between blanks.
list_units() {
  bad=' ' again=' ' starting=' '
  command -v systemctl >/dev/null || return
  # The list is read in this shell: a pipe would lose it.
  while read -r unit _ active sub _; do
    case $active,$sub in
    failed,*) bad="$bad$unit " ;;
    activating,auto-restart*) bad="$bad$unit " again="$again$unit " ;;
    activating,*) starting="$starting$unit " ;;
    esac
  done <<LIST
$(systemctl list-units --all --state=failed,activating --plain --no-legend --no-pager 2>/dev/null 5>&- 7>&- 8>&-)
LIST
}

# without LIST NAMES sets rest to the names that are not in a list, with commas.
without() {
  rest=
  for name in $2; do
    case $1 in *" $name "*) ;; *) rest="${rest:+$rest, }$name" ;; esac
  done
}

# failures sets new to the units that have failed by this activation. Units that are
# still being started, or will be started again, are waited for.
failures() {
  uptime
  give_up=$((t + settle))
  while :; do
    list_units
    without "$bad_before" "$bad"
    new=$rest
    without "$bad_before" "$again"
    [ "$failed" = ignore ] || [ -n "$rest" ] || without "$starting_before" "$starting"
    uptime
    if [ -z "$rest" ] || [ "$t" -ge $give_up ]; then break; fi
    quiet sleep 0.5
  done
}

# ---- the way back ----------------------------------------------------------

# go_back REASON returns the host to what it had: what runs, the profile and the
# boot default, each where it is not so already. A step that fails is not the last:
# what could not be set back is in the last state.
go_back() {
  state "reverting $*"
  say "returning to ${previous:-nothing}: $*"
  wrong=
  if [ "$action" != boot ]; then
    if [ -z "$previous" ]; then
      wrong="; there is no system before it to go back to"
    else
      tries=0
      while :; do
        switch "$previous" test "$revert"
        code=$?
        # What was ended may hold a lock for a moment.
        case $code in 0 | 4) break ;; esac
        tries=$((tries + 1))
        if [ $tries -ge 3 ] || [ $code = 75 ]; then break; fi
        quiet sleep 1
      done
      runs "$previous" || wrong="$wrong; going back failed: $(reason "switch-to-configuration test" "$code" "$revert")"
    fi
  fi
  put_profile_back
  loader=${formersystem:-$previous}
  if [ -e "$self/bootloader" ] && [ -n "$loader" ]; then
    switch "$loader" boot "$revert"
    code=$?
    [ $code = 0 ] || wrong="$wrong; the boot loader could not be set back: $(reason "switch-to-configuration boot" $code "$revert")"
  fi
  if [ -n "$wrong" ]; then end "stuck $*$wrong"; fi
  end "reverted $*"
}

# end_or_go_back REASON is go_back for what is wrong with the new system, where a host that
# fails is not to be left as it is.
end_or_go_back() {
  [ "$keep" = 1 ] || go_back "$@"
  say "left as it is, because rollback is off: $*"
  end "stuck $*; rollback is off"
}

# put_profile_back sets the profile to what it was, where this guard has moved it, and
# removes the generation that was made: nobody is to go back to it.
put_profile_back() {
  [ -e "$self/committing" ] || return 0
  link=$(readlink "$profile")
  [ "${link##*/}" != "system-$former-link" ] || return 0
  made=${link##*system-}
  made=${made%-link}
  [ "$generation" != 0 ] || reject "$made"
  if [ "$former" = 0 ]; then
    rm -f "$profile" "${profile%/*}/system-$made-link" || wrong="$wrong; the profile could not be removed"
    return
  fi
  quiet nix-env --profile "$profile" --switch-generation "$former" >>"$self/log" 2>&1 ||
    { [ -n "$formersystem" ] && quiet nix-env --profile "$profile" --set "$formersystem" >>"$self/log" 2>&1; } ||
    wrong="$wrong; the profile could not be set back: $(tail -n 1 "$self/log")"
  [ "$generation" != 0 ] || quiet nix-env --profile "$profile" --delete-generations "$made" >>"$self/log" 2>&1
}

# reject notes a generation that was never confirmed.
reject() {
  mkdir -p "$records" 2>/dev/null && echo "system-$1-link $system $run $(date +%s)" >>"$records/rejected"
}

end() {
  rm -f $roots/* "$self"/pipe.*
  state "$@"
  exec 7>&-
  [ ! -d /run/systemd/system ] || quiet systemctl stop "muster-$run-watch.timer" 2>/dev/null
  exit 0
}

# ---- the way forward ---------------------------------------------------------

# try_new runs the new system, and returns when its units have come up.
try_new() {
  list_units
  # A guard that was killed has seen the units before.
  [ -r "$self/units" ] || printf '%s\n%s\n' "$bad" "$starting" >"$self/units"
  { IFS= read -r bad_before && IFS= read -r starting_before; } <"$self/units"
  state activating
  switch "$system" test "$activate"
  code=$?
  case $code in
  0 | 4) ;;
  100)
    runs "$previous" || go_back "switch-to-configuration test: exit status 100"
    end "restart NixOS can change to this system only by a restart"
    ;;
  75)
    runs "$previous" || go_back "$(reason test 75)"
    end "untouched $(reason test 75)"
    ;;
  *) end_or_go_back "$(reason "switch-to-configuration test" $code "$activate")" ;;
  esac
  runs "$system" || end_or_go_back "switch-to-configuration test: the running system is $(running) after it"
  failures
  case $failed in
  any) [ $code = 0 ] || new=$(echo "$bad" | sed 's/^ //; s/ $//; s/ /, /g') ;;
  ignore)
    [ -z "$new" ] || say "failed, which is ignored: $new"
    new=
    ;;
  esac
  if [ -n "$new" ]; then end_or_go_back "failed: $new"; fi
  [ "$bad_before" = ' ' ] || printf '%s\n' "$bad_before" >"$dir/failed"
}

# await returns when the deployer has confirmed. With "extend" the deployer gives a
# sign of life, and the guard waits for its whole time again.
await() {
  [ "$confirm" != 0 ] || return 0
  guard_state
  case $state in
  activated*) deadline=${state#activated } ;;
  *)
    uptime
    deadline=$((t + confirm))
    ;;
  esac
  exec 5<>"$self/words"
  state "activated $deadline"
  exec 7>&-
  while [ ! -e "$self/confirm" ]; do
    if [ -e "$self/abort" ]; then
      resume_work
      end_or_go_back "$(cat "$self/abort")"
    fi
    if [ -e "$self/extend" ]; then
      rm -f "$self/extend"
      uptime
      deadline=$((t + confirm))
      state "activated $deadline"
    fi
    uptime
    left=$(((deadline - t + 99) / 100))
    if [ $left -le 0 ]; then
      resume_work
      go_back "not confirmed within $((confirm / 100)) s"
    fi
    [ -e "$self/confirm" ] || quiet_words timeout $left head -c 1 >/dev/null
  done
  resume_work
}

quiet_words() { "$@" <&5 5<&- 7>&- 8>&-; }

resume_work() {
  exec 5<&- 7>"$self/busy"
  flock 7
}

# commit makes the running system the one to boot.
commit() {
  if [ "$action" = switch ] && ! runs "$system"; then
    end "stuck another activation has changed the running system while this one waited for its confirmation"
  fi
  link=$(readlink "$profile")
  if [ ! -e "$self/committing" ] && [ "$former" != 0 ] && [ "${link##*/}" != "system-$former-link" ]; then
    end "stuck the profile was moved to ${link##*/} by another while this activation waited for its confirmation"
  fi
  boot_default
  if [ ! -e "$self/committing" ] && [ -n "$booted" ] && [ "$boots" != "$booted" ]; then
    end "stuck the boot default was changed by another while this activation waited for its confirmation"
  fi
  : >"$self/committing"
  state committing
  if [ "$generation" = 0 ]; then set -- --set "$system"; else set -- --switch-generation "$generation"; fi
  quiet nix-env --profile "$profile" "$@" >>"$self/log" 2>&1 || go_back "set the system profile: $(tail -n 1 "$self/log")"
  : >"$self/bootloader"
  switch "$system" boot "$activate"
  code=$?
  [ $code = 0 ] || go_back "$(reason "switch-to-configuration boot" $code "$activate")"
  record
}

# record notes a deployment, for muster rollback and muster status: a line, added by
# one write. Now and then the oldest are removed.
record() {
  was=-
  [ "$former" = 0 ] || was=system-$former-link
  [ -d "$records" ] || mkdir -p "$records"
  list=$records/deployments
  # The newline before ends a line that a full disk had cut.
  link=$(readlink "$profile") &&
    printf '\n%s\n' "$run $(date +%s) ${link##*/} $system $was ${formersystem:--} ${previous:--} $who" >>"$list"
  uptime
  [ $((t % 50)) != 0 ] || { grep . "$list" | tail -n 500 >"$list.new" && mv -f "$list.new" "$list"; }
}

# Until the profile has them, nothing else keeps these from the collector.
set -- "$system"
[ -z "$previous" ] || [ "$previous" = "$system" ] || set -- "$@" "$previous"
case "$* " in *"$formersystem "*) ;; *) set -- "$@" "$formersystem" ;; esac
[ -d $roots ] || mkdir -p $roots
ln -sf "$@" $roots/

# A guard that was killed goes on from the state it was in. It may have left
# processes that hold the pipes which were made for it.
guard_state
pipes=$self/pipe.$$
case $state in armed*) pipes=$self/pipe ;; esac
case $state in
reverting*) go_back "${state#reverting }" ;;
committing*) ;;
activated*) await ;;
activating* | waiting*)
  if runs "$previous" && [ "${state%% *}" = waiting ]; then
    try_new
    await
  else
    go_back "the guard was killed while it activated the system"
  fi
  ;;
armed*)
  if [ "$action" != boot ]; then
    try_new
    await
  fi
  ;;
*) exit 0 ;;
esac
[ "$action" = test ] || commit
secrets_settle "$system"
end 'done'
