# shellcheck shell=sh disable=SC2034
# confirm.sh RUN SEEN LIMIT tells the guard of a run to keep the new system, and watches
# it; see words.sh and watch.sh.
run=$1
leave_word confirm ''
exec 9>&-
watch "$2" "$3" past
