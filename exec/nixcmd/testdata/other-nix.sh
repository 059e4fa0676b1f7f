#!/usr/bin/env bash
# other-nix.sh ROOT COMMAND...: runs a command whose Nix is the one below ROOT, with the loader
# and libraries that are there, and whose store at /nix is empty (Linux, root).
set -euo pipefail
root=$1
shift
dir=$(mktemp -d /var/tmp/muster-other-nix.XXXXXX)
trap 'chmod -R u+w "$dir"; rm -rf "$dir"' EXIT
mkdir "$dir/nix"
cat >"$dir/nix-program" <<EOF
#!/bin/sh
export NIX_BIN_DIR=/usr/bin NIX_DATA_DIR=$root/usr/share
exec $root/usr/lib64/ld-linux-x86-64.so.2 --library-path $root/usr/lib/x86_64-linux-gnu:$root/usr/lib/nix "$root/usr/bin/\${0##*/}" "\$@"
EOF
chmod +x "$dir/nix-program"
# The other programs of Nix are links to nix.
# shellcheck disable=SC2016
unshare --mount --propagation private bash -c 'mount --bind "$0/nix" /nix && mount --bind "$0/nix-program" /usr/bin/nix && exec "$@"' "$dir" "$@"
