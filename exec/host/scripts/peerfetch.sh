# shellcheck shell=sh
# peerfetch.sh DIRECTORY ADDRESS PORT SKIP KEY adds paths to the store whose archives a
# peer with a host key sends. The directory is that of peerready.sh. For each path
# there comes in
#
#   HEADER ARCHIVE
#   what nix-store --serve is told before an archive
#
# where the first line has the bytes of the header and of its archive. SKIP bytes of what
# the peer sends come before the first archive. nix-store checks the hash of each. Its
# answers are printed as they are.
cd "$1" || exit 1
requests='' ssh='' adds=''
trap 'kill $requests $ssh $adds 2>/dev/null; rm -rf "$1"' EXIT
trap 'exit 1' HUP INT TERM PIPE
exec 4<&0
echo "peer $5" >known
mkfifo archives adds || exit 1

# AES is the fastest cipher where the processor has instructions for it.
ciphers=''
! grep -qw aes /proc/cpuinfo 2>/dev/null || ciphers='-o Ciphers=^aes128-gcm@openssh.com'

# dd reads more at once than head, which is less work for large archives.
take() { dd bs=128k iflag=fullblock,count_bytes count="$1" status=none; }
{
  take "$4" >/dev/null
  while read -r header archive <&4; do
    take "$header" <&4
    [ "$archive" -eq 0 ] || take "$archive"
  done
} <archives >adds &
requests=$!
# shellcheck disable=SC2086
ssh -F none -T -n -p "$3" -i key $ciphers -o BatchMode=yes -o IdentitiesOnly=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 \
  -o StrictHostKeyChecking=yes -o UserKnownHostsFile=known -o GlobalKnownHostsFile=/dev/null -o HostKeyAlias=peer "root@$2" 4<&- >archives &
ssh=$!
# What ends early ends the others: they would wait for the rest.
{
  nix-store --serve --write 4<&- <adds
  status=$?
  kill $requests $ssh 2>/dev/null
  exit $status
} &
adds=$!
wait $ssh || kill $requests 2>/dev/null
wait $adds
