# shellcheck shell=sh disable=SC2154
# profileactivate.sh LINK NEW BEFORE GENERATION ACTIVATE LIMIT RUN WHO makes NEW the
# profile's current generation, or GENERATION where that is not 0, and runs ACTIVATE in
# its directory. Where that fails, the profile and what it activates go back to what
# they were. The last line on standard error is what became of it: done, reverted WHY,
# untouched WHY or stuck WHY. BEFORE is what the profile was seen on; LIMIT is in
# seconds. What a lost connection ends is the output alone.
trap '' HUP PIPE
umask 022
new=$2 before=$3 generation=$4 activate=$5 limit=$6 run=$7 who=$8
profile_names "$1"
say() {
  printf '%s\n' "$*" >&2
  exit 0
}
[ -d "$new" ] || say "untouched $new is a file, and the command that activates a profile runs in its directory: put the file into one, as pkgs.linkFarm does"
mkdir -p "$history" "$(dirname "$link")" || say "untouched the directories of the profile cannot be made"
if command -v flock >/dev/null; then
  exec 9>"$history/lock"
  flock -w 60 9 || say "untouched another activation of the profile is in progress"
fi
on "$link"
former=$on former_number=$number
[ "$former" = "$before" ] || say "untouched the profile has changed meanwhile: it is on ${former:-nothing}"

# activate DIRECTORY runs the command, within its time.
activate() {
  cd "$1" || return 1
  export PROFILE="$link"
  if command -v timeout >/dev/null; then
    timeout -k 5 "$limit" "${SHELL:-/bin/sh}" -c "$activate" </dev/null 9>&- 2>&1
  else
    "${SHELL:-/bin/sh}" -c "$activate" </dev/null 9>&- 2>&1
  fi
}

# back WHY takes the profile back.
back() {
  on "$link"
  made=${number##*/}
  if [ -z "$former" ]; then
    rm -f "$link"
  else
    to=${former_number%-link}
    nix-env --profile "$link" --switch-generation "${to##*-}" 2>&1 || nix-env --profile "$link" --set "$former" 2>&1 ||
      say "stuck $1; and the profile cannot be set back"
  fi
  # A generation that was made for this is no use.
  if [ "$generation" = 0 ] && [ -n "$made" ] && [ "$made" != "${former_number##*/}" ]; then
    made=${made%-link}
    nix-env --profile "$link" --delete-generations "${made##*-}" 2>&1
  fi
  if [ -n "$former" ]; then
    activate "$former" || say "stuck $1; and activating what it had before has failed too"
  fi
  say "reverted $1"
}

if [ "$generation" = 0 ]; then
  nix-env --profile "$link" --set "$new" 2>&1 || back "the profile cannot be set"
else
  nix-env --profile "$link" --switch-generation "$generation" 2>&1 || back "the profile cannot be set"
fi
activate "$new"
status=$?
case $status in
0) ;;
124 | 137) back "the activation took longer than $limit s" ;;
*) back "the activation has failed: exit status $status" ;;
esac
on "$link"
[ "$on" = "$new" ] || say "stuck the activation has moved the profile to ${on:-nothing}"
printf '%s %s %s %s %s %s %s %s\n' "$run" "$(date +%s)" "${number##*/}" "$new" "${former_number:--}" "${former:--}" "${former:--}" "$who" >>"$history/deployments"
say "done"
