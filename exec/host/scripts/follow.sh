# shellcheck shell=sh disable=SC2034
# follow.sh RUN SEEN LIMIT PAST watches the guard of a run; see watch.sh.
run=$1
watch "$2" "$3" "$4"
