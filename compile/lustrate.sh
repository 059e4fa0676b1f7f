#!/bin/sh
# lustrate.sh ROOT moves all that is on a root file system to old-root, but /nix and /boot,
# and then back what etc/NIXOS_LUSTRATE lists: paths without a slash before them, one a
# line. When it was cut off it goes on where it was:
#
#   etc/NIXOS_LUSTRATE   nothing is moved yet
#   old-root.new         things are being moved there
#   old-root/.keep       all is there, and what is kept is being moved back
root=$1
list=$root/etc/NIXOS_LUSTRATE old=$root/old-root new=$root/old-root.new
if [ -e "$list" ] && [ ! -d "$new" ] && [ ! -e "$old/.keep" ]; then
  # What is there already is of a Linux before this one.
  [ ! -e "$old" ] || mv "$old" "$old.$(date +%s)" || exit 1
  rm -rf "$new.part" && mkdir "$new.part" && cp "$list" "$new.part/.keep" || exit 1
  sync && mv "$new.part" "$new" || exit 1
fi
if [ -d "$new" ]; then
  for path in "$root"/* "$root"/.[!.]*; do
    case ${path#"$root/"} in nix | boot | old-root* | lost+found | '*' | '.[!.]*') continue ;; esac
    mv "$path" "$new/" || exit 1
  done
  mv "$new" "$old" || exit 1
fi
[ -e "$old/.keep" ] || exit 0
while IFS= read -r path; do
  if [ ! -e "$old/$path" ] && [ ! -L "$old/$path" ]; then continue; fi
  [ ! -e "$root/$path" ] || continue
  case $path in */*) mkdir -p "$root/${path%/*}" || exit 1 ;; esac
  mv "$old/$path" "$root/$path" || exit 1
done <"$old/.keep"
mkdir -p "$root/etc" && : >"$root/etc/NIXOS" && rm -f "$list" "$old/.keep" && sync
