# shellcheck shell=sh
# reboot.sh RUN SYSTEM restarts the host a moment later, so that the caller gets the
# answer. It leaves a note of that, which says later that the host never came back
# in time: see lastboot.sh.
read -r id </proc/sys/kernel/random/boot_id
mkdir -p /var/lib/muster && echo "$1 $id $2" >/var/lib/muster/restarting
if [ -d /run/systemd/system ]; then
  systemd-run --quiet --collect --no-ask-password --on-active=1 systemctl reboot || exit 1
else
  setsid /bin/sh -c 'sleep 0.3; reboot' </dev/null >/dev/null 2>&1 &
fi
echo ok
