# shellcheck shell=sh disable=SC2154
# tell.sh RUN WORD TEXT leaves a word for the guard of a run: confirm, extend, or
# abort with why. It answers ok, or none where there is no such guard.
mutex
if ! [ -r "$guard/run" ] || [ "$(cat "$guard/run")" != "$1" ] || ! guard_runs; then
  echo none
  exit
fi
printf '%s' "$3" >"$guard/$2.new" && mv -f "$guard/$2.new" "$guard/$2" || exit 1
echo ok
