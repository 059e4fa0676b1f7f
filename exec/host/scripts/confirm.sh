# shellcheck shell=sh disable=SC2034,SC2154
# confirm.sh RUN SEEN LIMIT ARG… tells the guard of a run to keep the new system, and
# watches it; see words.sh and watch.sh. Where it finishes, the line "facts" follows its
# state on standard error, and inspect.sh goes on from here with its own arguments.
run=$1
leave_word confirm ''
exec 9>&-
watch "$2" "$3" past
if [ "$there" != "$run" ] || ! guard_finished; then exit 0; fi
shift 3
exec >&2
echo facts
