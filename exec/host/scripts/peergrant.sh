# shellcheck shell=sh
# peergrant.sh DIRECTORY NAME KEY lets the owner of a key have what nix-store --serve
# answers to the requests that come in, and nothing else. It prints a line once it does.
nix=$(cat "$1/nix-store")
mkfifo "$1/$2" || exit 1
echo "restrict,command=\"$nix --serve <$1/$2\" $3" >>"$1/keys"
echo granted
exec cat >"$1/$2"
