# shellcheck shell=sh disable=SC2154
# tell.sh RUN WORD TEXT leaves a word for the guard of a run: confirm, extend, or
# abort with why. It answers ok, or none where there is no such guard or it has
# finished. A guard that was killed meanwhile is started again, and finds the word.
#
# A word is a file, which no space on the disk is needed for, and a byte in the pipe
# that wakes the guard.
run=$1
mutex
guard_state
if [ "$there" != "$run" ] || guard_finished; then
  echo none
  exit
fi
: >"$guard/$2" || exit 1
[ -z "$3" ] || { printf '%s' "$3" >"$guard/$2.new" && mv -f "$guard/$2.new" "$guard/$2"; } 2>/dev/null
if guard_runs; then printf x 1<>"$guard/words"; else /bin/sh "$guard/guard.sh" launch 9>&-; fi
echo ok
