# shellcheck shell=sh disable=SC2154
# tell.sh RUN WORD TEXT [SEEN LIMIT] leaves a word for the guard of a run: confirm,
# extend, or abort with why. It answers ok, or none where there is no such guard.
# With SEEN, the guard is then watched until it has finished.
#
# A word is a file, which an empty disk is not needed for, and a byte in the pipe
# that wakes the guard. extend needs no file: to be woken is enough.
run=$1
mutex
guard_state
if [ "$there" != "$run" ] || ! guard_runs; then
  echo none
else
  case $2 in
  confirm) : >"$guard/confirm" || exit 1 ;;
  abort)
    : >"$guard/abort" || exit 1
    printf '%s' "$3" >"$guard/abort.new" 2>/dev/null && mv -f "$guard/abort.new" "$guard/abort" 2>/dev/null
    ;;
  esac
  printf x 1<>"$guard/words"
  echo ok
fi
exec 9>&-
[ $# -lt 5 ] || watch "$4" "$5" past
