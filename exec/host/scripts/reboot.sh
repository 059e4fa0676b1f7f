# shellcheck shell=sh disable=SC2154
# reboot.sh RUN SYSTEM restarts the host a moment later, so that the caller gets the
# answer. It leaves a note of that, which says later that the host never came back
# in time: see lastboot.sh.
run=$1 system=$2
boot_id
mkdir -p "$records" && echo "$run $bootid $system" >"$records/restarting"
if [ -d /run/systemd/system ]; then
  systemd-run --quiet --collect --no-ask-password --on-active=1 systemctl reboot || exit 1
else
  setsid /bin/sh -c 'sleep 0.3; reboot' </dev/null >/dev/null 2>&1 &
fi
echo ok
