# shellcheck shell=sh
# collect.sh PROFILE GENERATION… removes generations of a profile and collects
# garbage. The last line says how much that freed.
profile=$1
shift
[ $# = 0 ] || nix-env --profile "$profile" --delete-generations "$@" >&2 || exit 1
# Versions of Nix differ in the stream they use.
nix-store --gc 2>&1 | tail -n 1
