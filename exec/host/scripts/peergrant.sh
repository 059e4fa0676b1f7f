# shellcheck shell=sh
# peergrant.sh DIRECTORY NAME KEY lets the owner of a key have what the request
# DIRECTORY/NAME reads from the store, and nothing else.
nix=$(cat "$1/nix-store")
echo "restrict,command=\"$nix --serve <$1/$2\" $3" >>"$1/keys"
