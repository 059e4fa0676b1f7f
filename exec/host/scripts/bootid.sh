# shellcheck shell=sh
# bootid.sh prints the ID of this boot and the system that was booted. Containers
# share the kernel's ID: what changes there is when process 1 began, the 22nd
# field of its stat, or the 20th after its name.
read -r id </proc/sys/kernel/random/boot_id || exit
began=
if read -r stat </proc/1/stat; then
  # shellcheck disable=SC2086
  set -- ${stat##*) }
  began=${20}
fi
echo "$id-$began $(readlink -f /run/booted-system)"
