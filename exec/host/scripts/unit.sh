# shellcheck shell=sh
# unit.sh UNIT prints a unit's ActiveState.
exec systemctl show --property=ActiveState --value -- "$1"
