# shellcheck shell=sh
# last-words.sh prints what the last guard of a host has said.
cd /run/muster/guard || exit 0
head -n 1 run state
tail -n 15 log
! systemctl --version >/dev/null 2>&1 || journalctl --no-pager -n 40 -u 'muster-*' 2>/dev/null
true
