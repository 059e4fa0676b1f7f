# shellcheck shell=sh disable=SC2154
# inplaceagree.sh LAYOUT notes that the user has agreed that NixOS takes the place of what
# runs.
alone
echo "$1" >"$dir/install"
