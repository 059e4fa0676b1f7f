# shellcheck shell=sh
# fill-run.sh [off] fills /run up, and keeps it so whatever is removed there; or ends
# that.
if [ "$1" = off ]; then
  rm -f /run/filling
  sleep 0.3
  rm -f /run/ballast
  mount -o remount,size=50% /run
else
  : >/run/filling
  mount -o remount,size="$(($(df -k --output=used /run | tail -n 1) + 64))k" /run
  setsid sh -c 'while [ -e /run/filling ]; do head -c 65536 /dev/zero >>/run/ballast; sleep 0.1; done' </dev/null >/dev/null 2>&1 &
  sleep 0.3
fi
