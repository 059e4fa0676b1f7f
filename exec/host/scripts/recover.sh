# shellcheck shell=sh disable=SC2154
# recover.sh RUN SEEN LIMIT PAST starts the guard of a run again where it was killed:
# it finishes what it had begun. The guard is then watched.
run=$1
mutex
guard_state
if [ "$there" = "$run" ] && ! guard_runs; then launch_again 9>&- || exit 1; fi
exec 9>&-
watch "$2" "$3" "$4"
