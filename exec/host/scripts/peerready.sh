# shellcheck shell=sh disable=SC2154
# peerready.sh makes a directory for what is fetched from a peer, with a key of its own,
# and prints both: DIRECTORY ssh-ed25519 AAAA…
[ -d "$dir" ] || mkdir -p "$dir" || exit 1
d=$(mktemp -d "$dir/fetch.XXXXXX") || exit 1
ssh-keygen -q -t ed25519 -N '' -C '' -f "$d/key" || exit 1
echo "$d $(cat "$d/key.pub")"
