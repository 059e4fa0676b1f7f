# shellcheck shell=sh disable=SC2154
# unlock.sh RUN gives the host back, where RUN has it.
mutex
[ ! -r "$dir/lock" ] || {
  read -r run _ <"$dir/lock"
  [ "$run" != "$1" ] || rm -f "$dir/lock"
}
