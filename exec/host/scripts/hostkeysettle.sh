# shellcheck shell=sh
# hostkeysettle.sh SYSTEM PATH encrypts what is stored of secrets to the recipients on
# standard input only, and removes the former SSH host key at PATH.
set -e
in=$(mktemp /run/muster-recipients.XXXXXXXX)
trap 'rm -f "$in"' EXIT
cat >"$in"
secrets_rekey "$1" "$in"
rm -f "$2.muster-former" "$2.muster-former.pub"
sync -f "${2%/*}"
