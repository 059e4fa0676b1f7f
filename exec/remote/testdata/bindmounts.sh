#!/bin/sh
# bindmounts.sh FILE TARGET ... -- COMMAND ARG...: mounts each file over its
# target, and becomes the command. Run it in a mount namespace of its own. A
# target that does not exist is made in an overlay on its directory.
set -eu
overlay() { # FILE TARGET
	dir=${2%/*} over=$1.overlay
	mkdir "$over" && mount -t tmpfs tmpfs "$over" && mkdir "$over/upper" "$over/work"
	mount -t overlay -o "lowerdir=$dir,upperdir=$over/upper,workdir=$over/work" overlay "$dir"
	: >"$2"
}
missing() {
	while [ "$1" != -- ]; do
		[ -e "$2" ] || overlay "$1" "$2"
		shift 2
	done
}
missing "$@"
while [ "$1" != -- ]; do
	mount --bind "$1" "$2"
	shift 2
done
shift
exec "$@"
