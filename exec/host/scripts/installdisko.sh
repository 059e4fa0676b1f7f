# shellcheck shell=sh disable=SC2154
# installdisko.sh LAYOUT PROGRAM makes the disks by a program of disko, which mounts them
# below target. All that was on them is lost. That the user has agreed to LAYOUT is noted
# first.
alone
echo "$1" >"$dir/install"
unmount_below "$target" || exit 1
"$2" </dev/null || exit 1
grep -q " $target " /proc/mounts || {
  echo "$2 has mounted nothing at $target" >&2
  exit 1
}
