# shellcheck shell=sh
# hostkey.sh SYSTEM PATH makes a key the host's SSH host key at PATH. A tar archive on
# standard input has key, key.pub, recipients and, as its last file, end. What is stored of
# secrets is encrypted to the recipients first, so that the former key and the new one open
# it. Who breaks off before the public key is in its place, finds the former one there and
# begins again.
set -e
path=$2 in=${2%/*}/.muster-hostkey
rm -rf "$in" # of a run that was killed; the lock keeps others away
mkdir -p "${path%/*}" && mkdir "$in"
trap 'rm -rf "$in"' EXIT
trap 'exit 1' HUP INT PIPE TERM
tar -C "$in" --no-same-owner --no-same-permissions -xf -
[ -e "$in/end" ] || {
  echo "what was sent has no end" >&2
  exit 1
}
secrets_rekey "$1" "$in/recipients"
if [ -e "$path" ] && ! cmp -s "$path" "$in/key"; then
  rm -f "$path.muster-former.pub"
  cp -p "$path" "$path.muster-former.new" && mv -f "$path.muster-former.new" "$path.muster-former"
  [ ! -e "$path.pub" ] || cp -p "$path.pub" "$path.muster-former.pub"
fi
chmod 0644 "$in/key.pub"
sync -f "$in"
mv -f "$in/key" "$path"
sync -f "$in"
mv -f "$in/key.pub" "$path.pub"
sync -f "$in"
reload_sshd
