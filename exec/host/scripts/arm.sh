# shellcheck shell=sh disable=SC2154,SC2034
# arm.sh TEXT RUN SYSTEM PREVIOUS … starts the guard, whose text and arguments
# these are (see guard.sh), unless another run holds the host, another guard is
# at work, or the host no longer runs what it did. It answers one line: ok, or
# why not.
text=$1 run=$2 system=$3 previous=$4
shift 2
mutex
holder=
[ ! -r "$dir/lock" ] || read -r holder _ <"$dir/lock"
[ "$holder" = "$run" ] || {
  echo "lost $holder"
  exit
}
if guard_runs; then
  echo "busy $(cat "$guard/run")"
  exit
fi
current=
[ ! -e /run/current-system ] || current=$(readlink -f /run/current-system)
[ "$current" = "$previous" ] || {
  echo "moved $current"
  exit
}
[ -x "$system/bin/switch-to-configuration" ] || {
  echo nosystem
  exit
}
rm -rf "$guard" && mkdir "$guard" && printf %s "$text" >"$guard/guard.sh" && echo "$run" >"$guard/run" && : >"$guard/log" || exit 1
if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
  systemd-run --quiet --collect --no-ask-password --unit="muster-$run" \
    --property=OOMScoreAdjust=-900 --property=TimeoutStopSec=5 \
    /bin/sh "$guard/guard.sh" "$@" 9>&- >&2 || exit 1
else
  setsid /bin/sh "$guard/guard.sh" "$@" </dev/null >/dev/null 2>&1 9>&- &
fi
n=0
while [ ! -e "$guard/state" ] && [ $n -lt 200 ]; do
  sleep 0.05
  n=$((n + 1))
done
[ -e "$guard/state" ] || {
  echo "the guard did not start" >&2
  exit 1
}
echo ok
