# shellcheck shell=sh disable=SC2154
# installluks.sh DEVICE NAME NUMBER MAPPER FORMAT opens an encrypted partition with the
# passphrase on standard input, and makes it one first where FORMAT is not empty.
alone
disk "$1" "$2"
part "$2" "$3"
[ ! -e "/dev/mapper/$4" ] || exit 0
key=$(mktemp "$dir/key.XXXXXXXX") || exit 1
trap 'rm -f "$key"' EXIT
trap 'exit 1' HUP INT PIPE TERM
cat >"$key"
if [ -n "$5" ]; then cryptsetup --batch-mode --type luks2 --key-file "$key" luksFormat "$part" || exit 1; fi
cryptsetup --key-file "$key" open "$part" "$4"
