# shellcheck shell=sh
# kill.sh PID: ends a process group, with TERM and after two seconds with KILL.
#
# A sudo with use_pty runs its command in another group; PID has no group of
# its own then, and is ended alone. Zombies count as gone: in a container they
# can stay for a while.

pid=$1
target=-$pid

alive() {
	kill -s 0 -- "$target" 2>/dev/null || return 1
	if [ "$target" = "$pid" ] || ! [ -r /proc/self/stat ]; then return 0; fi
	for file in /proc/[0-9]*/stat; do
		{ read -r stat <"$file"; } 2>/dev/null || continue
		# After the name, which can contain anything: state, parent, group.
		set -f
		# shellcheck disable=SC2086
		set -- ${stat##*) }
		set +f
		if [ "$3" = "$pid" ] && [ "$1" != Z ]; then return 0; fi
	done
	return 1
}

# await PAUSE...: waits until the target is gone, at most the sum of the
# pauses. They grow, because each is a fork on a machine that may be busy.
await() {
	for pause; do
		alive || return 0
		sleep "$pause"
	done
}

if ! kill -s TERM -- "$target" 2>/dev/null; then
	target=$pid
	kill -s TERM -- "$target" 2>/dev/null || exit 0
fi
await 0.05 0.05 0.1 0.1 0.2 0.2 0.3 0.5 0.5
if alive; then kill -s KILL -- "$target" 2>/dev/null; fi
await 0.05 0.05 0.1 0.1 0.2
exit 0
