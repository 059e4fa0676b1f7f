# shellcheck shell=sh
# hostkeyback.sh SYSTEM PATH makes the former SSH host key at PATH the host's again. The
# public key goes first, as in hostkey.sh.
set -e
path=$2
rm -f "$path.pub"
[ ! -e "$path.muster-former.pub" ] || mv -f "$path.muster-former.pub" "$path.pub"
sync -f "${path%/*}"
if [ -e "$path.muster-former" ]; then mv -f "$path.muster-former" "$path"; else rm -f "$path"; fi
sync -f "${path%/*}"
reload_sshd
