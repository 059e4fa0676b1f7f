# shellcheck shell=sh disable=SC2154
# inplacesystem.sh SYSTEM RUN LAYOUT WHO [PATH]... makes a system the one that the machine
# boots, in the place of the Linux that runs: the system profile, the boot loader, and the
# list of what stays on the root file system. The rest goes to /old-root at the first boot.
# Until then a failure leaves the machine with what it boots now, as far as a boot loader
# can be put back.
alone
system=$1 run=$2 layout=$3 who=$4
shift 4
[ -x "$system/bin/switch-to-configuration" ] || {
  echo "$system is not there" >&2
  exit 1
}
list=/etc/NIXOS_LUSTRATE before=$records/boot-before

# undo puts back what the boot loader has read until now.
undo() {
  rm -f "$list" /etc/NIXOS
  for file in "$before"/*; do
    [ -r "$file" ] || continue
    where=$(echo "${file##*/}" | tr '%' '/')
    cp -p "$file" "$where"
  done
  sync
  echo "the machine has the menu of its boot loader back, and still boots what it runs" >&2
}
umask 022
mkdir -p /nix/var/nix/profiles "$before" || exit 1
for file in /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/loader/loader.conf /boot/efi/loader/loader.conf /efi/loader/loader.conf /boot/extlinux/extlinux.conf; do
  saved=$before/$(echo "$file" | tr '/' '%')
  [ ! -r "$file" ] || [ -e "$saved" ] || cp -p "$file" "$saved" || exit 1
done
nix-env --profile "$profile" --set "$system" || exit 1
kept() {
  for file in /etc/ssh/ssh_host_*; do [ ! -e "$file" ] || echo "${file#/}"; done
  [ ! -s /etc/machine-id ] || echo etc/machine-id
  echo "${records#/}"
  for path; do echo "${path#/}"; done
}
if ! kept "$@" >"$list.new" || ! : >/etc/NIXOS || ! mv -f "$list.new" "$list"; then
  undo
  exit 1
fi
NIXOS_INSTALL_BOOTLOADER=1 "$system/bin/switch-to-configuration" boot || {
  echo "switch-to-configuration boot ended with status $?" >&2
  undo
  exit 1
}

umask 077
if [ -L "$secrets/of/${system##*/}" ]; then
  id=$(readlink "$secrets/of/${system##*/}")
  ln -sfn "${id#../}" "$secrets/current.new" && mv -T "$secrets/current.new" "$secrets/current" || exit 1
fi
link=$(readlink "$profile")
grep -qs "^$run " "$records/deployments" ||
  printf '\n%s\n' "$run $(date +%s) ${link##*/} $system - - - $who" >>"$records/deployments"
echo "$layout $run $system" >"$records/install"
sync
