# shellcheck shell=sh disable=SC2154
# The unattended upgrade of a host. The generated configuration sets host, its name; git,
# ref and file, or flake, where the fleet is; and driver, which evaluates a fleet.
#
# The fleet's own commit is built, never a channel. Nothing is done where that commit is
# older than the last deployment: the host has it, or something newer. Activation is that
# of muster: first the running system, then, if that went well, the profile and the boot
# loader; the record is one that muster status and muster rollback read. A muster that
# works on the host has precedence.
umask 077
profile=/nix/var/nix/profiles/system
records=/var/lib/muster
dir=/run/muster
work=/var/lib/muster-upgrade
features='nix-command flakes'
export NIX_PATH= # no <nixpkgs>

say() { echo "muster-upgrade: $*" >&2; }
fail() {
  say "$*"
  exit 1
}

# fetch_git brings the fleet to work/source, and sets commit and made, when it was made.
fetch_git() {
  source=$work/source
  [ -d "$source/.git" ] || git init -q "$source" || return
  git -C "$source" fetch -q --depth 1 --no-tags -- "$git" "$ref" || return
  git -C "$source" checkout -q --force --detach FETCH_HEAD && git -C "$source" clean -qffdx || return
  commit=$(git -C "$source" rev-parse HEAD) && made=$(git -C "$source" log -1 --format=%ct)
}

# fetch_flake sets commit and made of a flake, and locked to the flake at that commit.
fetch_flake() {
  about=$(nix --extra-experimental-features "$features" flake metadata --refresh --json -- "$flake") || return
  locked=$(printf %s "$about" | jq -r .url) && commit=$(printf %s "$about" | jq -r '.revision // .locked.narHash') &&
    made=$(printf %s "$about" | jq -r .lastModified)
}

# build builds the host's system and prints its path. The link keeps it from the
# collector until the profile has it.
build() {
  if [ -n "$git" ]; then
    nix-build "$driver" --arg network "$source/$file" --arg attr '[ "config" "system" "build" "toplevel" ]' -A "$host" -o "$work/system"
  else
    # Before 2.9, nix prints no path.
    nix --extra-experimental-features "$features" build --out-link "$work/system" \
      "$locked#nixosConfigurations.$host.config.system.build.toplevel" >&2 && readlink -f "$work/system"
  fi
}

# last_deployment sets deployed to the time of the last deployment, or 0.
last_deployment() {
  deployed=0
  [ ! -r "$records/deployments" ] || while read -r _ time _; do
    case $time in '' | *[!0-9]*) ;; *) [ "$time" -le "$deployed" ] || deployed=$time ;; esac
  done <"$records/deployments"
}

# now sets t to the time since boot in hundredths of a second.
now() {
  read -r t _ </proc/uptime
  t=$((${t%.*} * 100 + 1${t#*.} - 100))
}

# take has the host as muster has it: with a lock, which lapses unless it is renewed.
take() {
  mkdir -p "$dir" || exit 1
  exec 9>"$dir/mutex"
  flock -w 20 9 || fail "$dir/mutex is held"
  now
  if [ -r "$dir/lock" ] && read -r holder _ beat _ <"$dir/lock" && [ $((t - beat)) -lt 6000 ]; then
    say "run $holder of muster works on the host: left to it"
    exit 0
  fi
  if [ -e "$dir/guard/alive" ] && ! flock -n 6 6<"$dir/guard/alive"; then
    say "an activation of muster is in progress: left to it"
    exit 0
  fi
  began=$t
  echo "$run $began $t $who" >"$dir/lock"
  exec 9>&-
  trap 'kill "$beating" 2>/dev/null; rm -f "$dir/lock"' EXIT
  while sleep 20; do
    now
    echo "$run $began $t $who" 1<>"$dir/lock"
  done >/dev/null 2>&1 &
  beating=$!
}

if [ -n "$git" ]; then fetch_git; else fetch_flake; fi || fail "the fleet cannot be fetched from ${git:-$flake}"
last_deployment
if [ "$made" -le "$deployed" ]; then
  say "commit $commit is older than the last deployment: nothing to do"
  exit 0
fi
system=$(build) || fail "the system of commit $commit cannot be built"
[ -x "$system/bin/switch-to-configuration" ] || fail "what commit $commit has for $host is no system: $system"
former=$(readlink -f "$profile")
running=$(readlink -f /run/current-system)
if [ "$system" = "$former" ] && [ "$system" = "$running" ]; then
  say "the host has the system of commit $commit: nothing to do"
  exit 0
fi
run=$(date -u +%Y%m%d-%H%M%S)-$(od -An -tx1 -N2 /dev/urandom | tr -d ' \n')
who="upgrade to $commit"
take
if [ "$former" != "$(readlink -f "$profile")" ] || [ "$running" != "$(readlink -f /run/current-system)" ]; then
  fail "the host was changed in the meantime: left to the next upgrade"
fi
link=$(readlink "$profile")
if ! "$system/bin/switch-to-configuration" test; then
  say "the activation of commit $commit failed: back to $running"
  "$running/bin/switch-to-configuration" test
  exit 1
fi
nix-env --profile "$profile" --set "$system" || fail "the profile cannot be set to commit $commit"
"$system/bin/switch-to-configuration" boot || fail "the boot loader cannot be set to commit $commit"
mkdir -p "$records"
printf '\n%s\n' "$run $(date +%s) $(readlink "$profile") $system ${link:--} ${former:--} ${running:--} $who" >>"$records/deployments"
say "upgraded to commit $commit"
