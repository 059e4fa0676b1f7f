#!/bin/sh
# run0.sh stands in for systemd's run0, where only the user free may become root.
[ "$1 $2" = "--no-ask-password --" ] || {
	echo "run0: unexpected arguments $*" >&2
	exit 2
}
[ "$(id -un)" = free ] || {
	echo "Failed to start transient service unit: Interactive authentication required." >&2
	exit 1
}
shift 2
exec sudo -n -- "$@"
