# shellcheck shell=sh disable=SC2154
# profilecollect.sh LINK GENERATION… removes generations of a profile and collects
# garbage, as collect.sh does.
profile_names "$1"
shift
[ $# = 0 ] || nix-env --profile "$link" --delete-generations "$@" >&2 || exit 1
nix-store --gc 2>&1 | tail -n 1
