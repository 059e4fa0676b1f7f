#!/bin/sh
# bindmounts.sh FILE TARGET ... -- COMMAND ARG...: mounts each file over its
# target, and becomes the command. Run it in a mount namespace of its own.
set -eu
while [ "$1" != -- ]; do
	mount --bind "$1" "$2"
	shift 2
done
shift
exec "$@"
