# shellcheck shell=sh disable=SC2154
# profilegenerations.sh LINK prints a line for each generation of a profile, as
# generations.sh does. The second stat is that of macOS.
profile_names "$1"
for generation in "$link"-*-link; do
  [ -L "$generation" ] || continue
  made=$(stat -c %Y "$generation" 2>/dev/null || stat -f %m "$generation")
  printf '%s %s %s\n' "${generation##*/}" "$made" "$(readlink -f "$generation")"
done
