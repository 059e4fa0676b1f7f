# shellcheck shell=sh disable=SC2154
# lock.sh RUN WHO LAPSE takes the host for a run, or says who has it:
#
#   ok                       RUN has the host
#   held SECONDS RUN WHO     another has had it for so long
#
# A lock is a file: the run, since when, when its holder last gave a sign of
# life, and who that is. It lapses when there has been no sign of life for LAPSE
# hundredths of a second, though never while an activation is in progress.
mutex
uptime
since=$t
if [ -r "$dir/lock" ] && read -r run began beat holder <"$dir/lock"; then
  if [ "$run" = "$1" ]; then
    since=$began
  elif [ $((t - beat)) -lt "$3" ] || guard_busy; then
    echo "held $(((t - began) / 100)) $run $holder"
    exit
  fi
fi
if guard_busy && [ "$there" != "$1" ]; then
  echo "held 0 $there a user whose activation is in progress"
  exit
fi
# One write over what is there: its first line counts.
{ echo "$1 $since $t $2" 1<>"$dir/lock"; } 2>/dev/null || {
  [ -s "$dir/lock" ] || rm -f "$dir/lock"
  unwritable
}
echo ok
