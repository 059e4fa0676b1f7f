# shellcheck shell=sh
# verify.sh SYSTEM SENT looks at the paths that SYSTEM is made of and the running
# system is not. Where these are more than the SENT that were copied just now,
# an earlier attempt left the others, and a power cut may have ended it before
# they were on the disk. It prints paths that are not as they were registered.
current=
[ ! -e /run/current-system ] || current=$(readlink -f /run/current-system)
if [ "$current" = "$1" ]; then exit; fi
set -f
all=$(nix-store --query --requisites "$1") || exit
have=
[ -z "$current" ] || have=" $(nix-store --query --requisites "$current" 2>/dev/null | tr '\n' ' ')"
sent=$2
set --
for p in $all; do
  case $have in
  *" $p "*) ;;
  *) set -- "$@" "$p" ;;
  esac
done
if [ $# -le "$sent" ]; then exit; fi
nix-store --verify-path "$@" 2>&1 || exit 3
