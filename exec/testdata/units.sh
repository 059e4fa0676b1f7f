# shellcheck shell=sh
# Prints what systemd knows of the state of units, and when each was last started
# and ended.
systemctl show --all --no-pager --property=Id,ActiveState,InactiveExitTimestampMonotonic,ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic -- \
  '*.service' '*.socket' '*.target' '*.timer' '*.path' '*.mount' '*.swap'
