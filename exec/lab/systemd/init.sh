#!/bin/sh
# The boot loader of a systemd host: starts the system that /boot names, as the boot loader of a real machine does, and without one the
# systemd of the Debian tree.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
if [ -e /etc/lab/boot.sh ]; then
  # shellcheck source=/dev/null
  . /etc/lab/boot.sh
fi
default=$(sed -n 's/^default //p' /boot/loader/loader.conf 2>/dev/null)
if [ -n "$default" ]; then
  init=$(sed -n 's/^options \(.* \)*init=\([^ ]*\).*/\2/p' "/boot/loader/entries/$default")
  if [ -x "$init" ]; then
    echo "boot: $default: $init"
    exec "$init"
  fi
  echo "boot: $default has no init that can be started" >&2
fi
exec /usr/lib/systemd/systemd
