# shellcheck shell=sh disable=SC2154
# leave_word WORD TEXT, for scripts that go on with it, leaves a word for the guard of
# the run that run names: confirm, extend, or abort with why. It fails where there is
# no such guard or it has finished. A guard that was killed meanwhile is started again,
# and finds the word. The mutex is held from then on.
#
# A word is a file, which no space on the disk is needed for, and a byte in the pipe
# that wakes the guard.
leave_word() {
  mutex
  guard_state
  if [ "$there" != "$run" ] || guard_finished; then return 1; fi
  : >"$guard/$1" || exit 1
  [ -z "$2" ] || { printf '%s' "$2" >"$guard/$1.new" && mv -f "$guard/$1.new" "$guard/$1"; } 2>/dev/null
  if guard_runs; then printf x 1<>"$guard/words"; else launch_again 9>&-; fi
}
