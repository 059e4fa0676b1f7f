# shellcheck shell=sh
# bootid.sh prints the ID of this boot and the system that was booted.
read -r id </proc/sys/kernel/random/boot_id && echo "$id $(readlink -f /run/booted-system)"
