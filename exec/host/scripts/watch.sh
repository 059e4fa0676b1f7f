# shellcheck shell=sh disable=SC2154
# watch SEEN LIMIT PAST, for scripts that go on with it, prints the guard's log
# from byte SEEN on and, on standard error, the guard's state: when nothing more
# happens by itself, or after about LIMIT seconds. A guard that waits for
# confirmation counts as finished unless PAST is set. run names the guard.
#
# The guard holds a lock on the file busy while something happens, so that
# nothing is polled. The kernel releases it when the guard is killed; then another
# may take its place a moment later.
watch() {
  seen=$1 limit=$2 past=$3 idle=0
  while :; do
    guard_state
    [ "$there" = "$run" ] || {
      echo none >&2
      return
    }
    flock -s -w 1 "$guard/busy" true
    quiet=$?
    guard_state
    size=$(wc -c <"$guard/log")
    if [ "$size" -gt "$seen" ]; then
      tail -c +$((seen + 1)) "$guard/log" | head -c $((size - seen))
      seen=$size
    fi
    case $state in
    armed* | waiting* | activating* | committing* | reverting*) by="while $state" ;;
    activated*)
      by="while it waited for confirmation"
      if [ -z "$past" ]; then
        # Only a guard that lives waits.
        if guard_runs; then
          echo "$state" >&2
          return
        fi
      fi
      ;;
    *)
      echo "$state" >&2
      return
      ;;
    esac
    if [ $quiet = 0 ]; then
      # Nobody is busy: the guard is about to begin, or it has died.
      idle=$((idle + 1))
      if [ $((idle % 20)) = 0 ] && ! guard_runs; then
        guard_state
        case $state in
        armed* | waiting* | activating* | committing* | reverting* | activated*)
          [ $idle -lt 60 ] || {
            echo "died $by" >&2
            return
          }
          ;;
        esac
      fi
      sleep 0.05 || sleep 1
      [ $((idle % 20)) != 0 ] || limit=$((limit - 1))
    else
      limit=$((limit - 1))
    fi
    [ "$limit" -gt 0 ] || {
      echo "$state" >&2
      return
    }
  done
}
