# shellcheck shell=sh
# verify.sh PATH… prints the paths that are not as they were registered.
nix-store --verify-path "$@" 2>&1 || exit 3
