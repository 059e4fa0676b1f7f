# shellcheck shell=sh
# settlesecrets.sh SYSTEM makes the stored secrets of a system the host's for good.
secrets_settle "$1"
