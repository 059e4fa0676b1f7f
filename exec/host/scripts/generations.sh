# shellcheck shell=sh
# generations.sh PROFILE prints a line for each generation: link, seconds since
# 1970, system and its NixOS version.
for link in "$1"-*-link; do
  [ -L "$link" ] || continue
  printf '%s %s %s ' "${link##*/}" "$(stat -c %Y "$link")" "$(readlink -f "$link")"
  cat "$link/nixos-version" 2>/dev/null || true
  echo
done
