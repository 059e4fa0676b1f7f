# shellcheck shell=sh disable=SC2154
# installmount.sh LAYOUT NOTE [NAME NUMBER MAPPER WHERE FS OPTIONS]... mounts the new file
# systems below target, those of higher directories first; without any, those are taken
# that the user has mounted there. A NOTE that is not empty is left in the root, as the
# sign that all is formatted. Without it that sign is looked for, and everything is
# unmounted where it is not there. It prints mounted or none.
alone
layout=$1 note=$2
shift 2

# noted succeeds where the sign is there.
noted() {
  sign=''
  [ ! -r "$target$records/install" ] || read -r sign _ <"$target$records/install"
  [ "$sign" = "$layout" ]
}
if noted && grep -q " $target " /proc/mounts; then
  echo mounted
  exit
fi
if [ $# -gt 0 ]; then unmount_below "$target" || exit 1; fi
while [ $# -gt 0 ]; do
  part "$1" "$2"
  [ -z "$3" ] || part=/dev/mapper/$3
  mkdir -p "$target$4"
  # A slash alone would be doubled.
  where=$target${4%/}
  mount -t "$5" ${6:+-o "$6"} "$part" "$where" || {
    unmount_below "$target"
    [ -z "$note" ] || exit 1
    echo none
    exit
  }
  if [ "$4" = / ] && [ -z "$note" ] && ! noted; then
    unmount_below "$target"
    echo none
    exit
  fi
  shift 6
done
if [ -n "$note" ]; then
  mkdir -p "$target$records" "$target/nix/store" "$target/etc"
  chmod 0755 "$target" "$target/nix" "$target/nix/store" "$target/etc" "$target/var" "$target/var/lib"
  echo "$layout $note" >"$target$records/install"
  sync
fi
echo mounted
