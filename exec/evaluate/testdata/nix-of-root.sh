#!/usr/bin/env bash
# The nix below $MUSTER_NIX_ROOT, with the loader and libraries that are there.
set -euo pipefail
libs=$MUSTER_NIX_ROOT/usr/lib/x86_64-linux-gnu:$MUSTER_NIX_ROOT/usr/lib/nix
exec "$MUSTER_NIX_ROOT/usr/lib64/ld-linux-x86-64.so.2" --argv0 nix --library-path "$libs" "$MUSTER_NIX_ROOT/usr/bin/nix" "$@"
