#!/bin/sh
# The first process of a plain host: init.sh NAME REBOOT-STATUS. The host's boot lines are in /run/boot.sh.
#
# It ends with REBOOT-STATUS when the host asks for a restart (SIGHUP), and with 0 when it asks to be turned off (SIGTERM).
# dash's wait collects the processes whose parents are gone, as an init must.
name=$1
reboot=$2
# The signal, not the end of the script, decides the status.
# shellcheck disable=SC2064
trap "exit $reboot" HUP
trap 'exit 0' TERM
mount --all --fstab /run/fstab || exit
echo "$name" >/proc/sys/kernel/hostname
# shellcheck source=/dev/null
. /run/boot.sh
/usr/sbin/sshd -D -e &
sleep infinity &
wait
