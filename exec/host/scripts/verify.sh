# shellcheck shell=sh
# verify.sh ROOT PATH… prints the paths that are not as they were registered, in the
# store below a directory; ROOT is empty for the machine's own.
root=$1
shift
nix-store ${root:+--store "$root"} --verify-path "$@" 2>&1 || exit 3
