# shellcheck shell=sh disable=SC2154
# bootid.sh PROFILE prints a fact a line on this boot: its ID, the system that was
# booted, the version of the kernel that runs, and the system of the profile.
exec 2>/dev/null
boot_id
[ -z "$bootid" ] || echo "bootid $bootid"
[ ! -e /run/booted-system ] || echo "booted $(readlink -f /run/booted-system)"
read -r kernel </proc/sys/kernel/osrelease
modules=/run/booted-system/kernel-modules/lib/modules
if [ -d $modules ] && [ ! -d "$modules/$kernel" ]; then
  # A container runs its host's kernel. What it would have booted is its own.
  for version in "$modules"/*; do [ ! -d "$version" ] || kernel=${version##*/}; done
fi
echo "kernel $kernel"
[ ! -e "$1" ] || echo "profile $(readlink -f "$1")"
