# shellcheck shell=sh disable=SC2154
# profileinspect.sh LINK looks at a profile and changes nothing. It prints facts as
# inspect.sh does: what runs is what the profile is on.
exec 2>/dev/null
profile_names "$1"
echo "time $(date +%s)"
on "$link"
echo "profile $on"
echo "current $on"
[ -z "$number" ] || echo "link $number"
if command -v nix-store >/dev/null; then echo "nix $(nix-store --version)"; fi
echo "machine $(uname -m)"
echo "space $(df -Pk /nix/store | tail -n 1)"
if [ -r "$history/deployments" ]; then
  last=$(tail -n 1 "$history/deployments")
  case $last in *" $on "*) echo "ours ${last%% *}" ;; esac
  tail -n 500 "$history/deployments" | while IFS= read -r line; do echo "deployment $line"; done
fi
for generation in "$link"-*-link; do
  [ ! -e "$generation" ] || echo "generation ${generation##*/} $(readlink -f "$generation")"
done
