# shellcheck shell=sh disable=SC2154
# follow.sh RUN SEEN LIMIT PAST prints the guard's log from byte SEEN on and, on
# standard error, the guard's state: when nothing more happens by itself, or
# after LIMIT hundredths of a second. A guard that waits for confirmation counts
# as finished unless PAST is set. The state goes to standard error because what
# the login shell prints may be in the other stream.
run=$1 seen=$2 limit=$3 past=$4
n=0
while :; do
  there=
  [ ! -r "$guard/run" ] || read -r there <"$guard/run"
  [ "$there" = "$run" ] || {
    echo none >&2
    exit
  }
  state=armed
  [ ! -r "$guard/state" ] || read -r state <"$guard/state"
  size=$(wc -c <"$guard/log")
  if [ "$size" -gt "$seen" ]; then
    tail -c +$((seen + 1)) "$guard/log" | head -c $((size - seen))
    seen=$size
  fi
  case $state in
  armed* | activating* | committing* | reverting*) by="while $state" over= ;;
  activated*)
    by="while waiting for confirmation" over=yes
    [ -z "$past" ] || over=
    ;;
  *)
    echo "$state" >&2
    exit
    ;;
  esac
  # Finding out whether the guard lives takes a process: once a second is enough.
  if [ -n "$over" ] || [ $((n % 100)) = 0 ]; then
    if flock -n "$guard/alive" true; then
      # It may have ended between the two looks.
      now=$state
      [ ! -r "$guard/state" ] || read -r now <"$guard/state"
      [ "$now" != "$state" ] || {
        echo "died $by" >&2
        exit
      }
      continue
    fi
    if [ -n "$over" ]; then
      echo "$state" >&2
      exit
    fi
  fi
  [ $n -lt "$limit" ] || {
    echo "$state" >&2
    exit
  }
  # Most activations take a second. Those that take longer are looked at less often.
  if [ $n -lt 200 ]; then
    n=$((n + 5))
    sleep 0.05 || sleep 1
  else
    n=$((n + 20))
    sleep 0.2 || sleep 1
  fi
done
