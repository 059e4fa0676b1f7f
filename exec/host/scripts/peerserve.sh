# shellcheck shell=sh disable=SC2154
# peerserve.sh PORT lets other hosts fetch what they are granted (peergrant.sh) over an
# sshd of its own, which ends with this connection and allows nothing else. It prints its
# directory and its host key, then a line every second:
#
#   serving DIRECTORY ssh-ed25519 AAAA…
sshd=$(command -v sshd)
nix=$(command -v nix-store)
if [ -z "$sshd" ] || [ -z "$nix" ]; then
  echo "there is no sshd or no nix-store" >&2
  exit 1
fi
[ -d "$dir" ] || mkdir -p "$dir" || exit 1
d=$(mktemp -d "$dir/peer.XXXXXX") || exit 1
pid=''
# What waits for requests of which none will come ends when they are opened.
trap 'kill $pid 2>/dev/null; for f in "$d"/request*; do [ ! -p "$f" ] || : <>"$f"; done; rm -rf "$d"' EXIT
trap 'exit 1' HUP INT TERM PIPE
ssh-keygen -q -t ed25519 -N '' -C '' -f "$d/host" || exit 1
: >"$d/keys"
echo "$nix" >"$d/nix-store"
pam=no
[ ! -e /etc/pam.d/sshd ] || pam=yes
cat >"$d/config" <<END
Port $1
HostKey $d/host
PidFile none
AuthorizedKeysFile $d/keys
StrictModes no
UsePAM $pam
AuthenticationMethods publickey
PermitRootLogin forced-commands-only
AllowUsers root
PermitUserEnvironment no
MaxStartups 100:30:200
END
"$sshd" -D -e -f "$d/config" >/dev/null 2>"$d/log" &
pid=$!
sleep 0.2
kill -0 $pid 2>/dev/null || {
  tail -n 1 "$d/log" >&2
  exit 1
}
echo "serving $d $(cat "$d/host.pub")"
while kill -0 $pid 2>/dev/null && sleep 1; do echo; done
