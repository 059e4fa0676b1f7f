# shellcheck shell=sh
# restarted.sh removes the note that reboot.sh left: the host is back, and known to be.
rm -f /var/lib/muster/restarting
