# shellcheck shell=sh
# peerfetch.sh DIRECTORY ADDRESS PORT SKIP GREETING adds paths to the store whose archives a
# peer sends. The directory is that of peerready.sh, with the files
#
#   known    the peer's host key, as known_hosts has it
#   headers  what nix-store --serve is told first, and before each archive
#   sizes    lines of two numbers: the bytes of a header, and of its archive
#
# SKIP bytes of what the peer sends come before the first archive, and GREETING bytes of
# headers before the first header. nix-store checks the hash of each archive. Its answers
# are printed as they are.
cd "$1" || exit 1
trap 'rm -rf "$1"' EXIT
trap 'exit 1' HUP INT TERM PIPE
archives() {
  ssh -F none -T -n -p "$2" -i key -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 \
    -o StrictHostKeyChecking=yes -o UserKnownHostsFile=known -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=peer "root@$1"
}
requests() {
  head -c "$1" >/dev/null
  head -c "$2" <&4
  while read -r header archive <&5; do
    head -c "$header" <&4
    head -c "$archive"
  done
}
archives "$2" "$3" | requests "$4" "$5" 4<headers 5<sizes | nix-store --serve --write
