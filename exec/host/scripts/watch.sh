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
  guard_state
  if [ "$there" = "$run" ]; then follow 4<"$guard/log"; else echo none >&2; fi
}

# show prints what is new in the log, which is open: where it ends, the next goes on.
show() {
  if [ "$seen" = 0 ]; then cat <&4; else tail -c +$((seen + 1)) <&4; fi
  seen=0
}

follow() {
  while :; do
    quiet=0
    [ ! -e "$guard/busy" ] || {
      flock -s -w 1 6 6<"$guard/busy"
      quiet=$?
    }
    guard_state
    [ "$there" = "$run" ] || {
      echo none >&2
      return
    }
    case $state in
    armed* | waiting* | activating* | committing* | reverting*) by="while $state" ;;
    activated*)
      by="while it waited for confirmation"
      # Only a guard that lives waits.
      if [ -z "$past" ] && guard_runs; then break; fi
      ;;
    *) break ;;
    esac
    if [ $quiet = 0 ]; then
      # Nobody is busy: the guard is about to begin, or it has died.
      idle=$((idle + 1))
      if [ $((idle % 20)) = 0 ] && ! guard_runs; then
        guard_state
        case $state in
        armed* | waiting* | activating* | committing* | reverting* | activated*)
          [ $idle -lt 60 ] || {
            state="died $by"
            break
          }
          ;;
        esac
      fi
      sleep 0.05 || sleep 1
      [ $((idle % 20)) != 0 ] || limit=$((limit - 1))
    else
      show
      limit=$((limit - 1))
    fi
    [ "$limit" -gt 0 ] || break
  done
  show
  echo "$state" >&2
}
