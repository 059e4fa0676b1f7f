# shellcheck shell=sh disable=SC2154
# installsystem.sh SYSTEM RUN LAYOUT WHO makes a system whose closure is below target the
# one that the machine boots: the system profile, /etc, the boot loader, and the record
# of a deployment. It does what nixos-install does.
alone
system=$1 run=$2 layout=$3 who=$4
[ -x "$target$system/activate" ] || {
  echo "$system is not below $target" >&2
  exit 1
}
trap 'leave' EXIT
trap 'exit 1' HUP INT PIPE TERM
leave() { for d in run dev proc sys; do unmount_below "$target/$d" 2>/dev/null; done; }
leave
umask 022
mkdir -p "$target/etc" "$target/dev" "$target/proc" "$target/sys" "$target/run" "$target/nix/var/nix/profiles" "$target/var" || exit 1
chmod 0755 "$target/run" || exit 1
[ -d "$target/tmp" ] || mkdir -m 1777 "$target/tmp" || exit 1
[ -d "$target/root" ] || mkdir -m 0700 "$target/root" || exit 1
nix-env --store "$target" --profile "$target$profile" --set "$system" || exit 1
: >"$target/etc/NIXOS"
ln -sfn /proc/mounts "$target/etc/mtab"
for d in dev proc sys; do
  mount -o rbind "/$d" "$target/$d" || exit 1
  # Unmounting it again must not reach the machine's own.
  mount --make-rslave "$target/$d" 2>/dev/null || mount -o rslave "$target/$d" || exit 1
done
mount -t tmpfs -o mode=0755 tmpfs "$target/run" || exit 1
if [ -d /run/udev ]; then mkdir "$target/run/udev" && mount -o bind /run/udev "$target/run/udev"; fi

# inside COMMAND... runs a program of the new system in it.
inside() { env -i PATH="$system/sw/bin:$system/sw/sbin" HOME=/root LOCALE_ARCHIVE="$system/sw/lib/locale/locale-archive" IN_NIXOS_ENTER=true ${loader:+NIXOS_INSTALL_BOOTLOADER=1} "$(command -v chroot)" "$target" "$@"; }

# Some of an activation may fail where no init runs. What counts is checked below.
loader=''
inside "$system/activate" || echo "the activation ended with status $?; it is repeated at boot"
current=$(readlink "$target/run/current-system")
[ "$current" = "$system" ] || {
  echo "the activation made ${current:-no system} current, not $system" >&2
  exit 1
}
[ ! -x "$target$system/sw/bin/systemd-tmpfiles" ] || inside "$system/sw/bin/systemd-tmpfiles" --create --remove -E || true
loader=yes
inside "$system/bin/switch-to-configuration" boot || {
  echo "switch-to-configuration boot ended with status $?" >&2
  exit 1
}

umask 077
# The secrets that were stored for the system are the host's.
if [ -L "$target$secrets/of/${system##*/}" ]; then
  id=$(readlink "$target$secrets/of/${system##*/}")
  ln -sfn "${id#../}" "$target$secrets/current.new" && mv -T "$target$secrets/current.new" "$target$secrets/current" || exit 1
fi
mkdir -p "$target$records"
link=$(readlink "$target$profile")
grep -qs "^$run " "$target$records/deployments" ||
  printf '\n%s\n' "$run $(date +%s) ${link##*/} $system - - - $who" >>"$target$records/deployments"
echo "$layout $run $system" >"$target$records/install"
sync
