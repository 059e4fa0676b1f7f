# shellcheck shell=sh disable=SC2154
# How a guard is started, for scripts that go on with it. run names it.

# launch ARG… starts the guard, and what starts it again when it is killed: systemd
# at once, and a timer that does not depend on the guard's unit; or a second process.
launch() {
  if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then
    systemd-run --quiet --collect --no-ask-password --unit="muster-$run" \
      --property=OOMScoreAdjust=-900 --property=TimeoutStopSec=5 \
      --property=Restart=on-failure --property=RestartSec=100ms --property=StartLimitIntervalSec=0 \
      /bin/sh "$guard/guard.sh" run "$@" >&2 || return 1
    systemd-run --quiet --collect --no-ask-password --unit="muster-$run-watch" \
      --on-active=10 --on-unit-active=10 --timer-property=AccuracySec=1 \
      /bin/sh "$guard/guard.sh" check "$@" </dev/null >/dev/null 2>&1 &
  else
    setsid /bin/sh "$guard/guard.sh" watch "$@" </dev/null >/dev/null 2>&1 &
  fi
}

# launch_again starts a guard that was killed: the file args has what it was started with.
launch_again() {
  set --
  while IFS= read -r arg; do set -- "$@" "$arg"; done <"$guard/args"
  launch "$@"
}
