# shellcheck shell=sh
# compare.sh ALL PATH… says which of the paths the host lacks. Where ALL is not
# empty it also says what the running system is made of, with which parts it was
# booted, the version of its init, the files of its units and of its etc with where they lead, /etc/fstab, what an
# interrupted activation left to do, which units users run, and last what systemd
# has loaded. ALL is the list of properties for that.
properties=$1
shift
for p; do [ -e "$p" ] || echo "lacks $p"; done
[ -n "$properties" ] && [ -e /run/current-system ] || exit 0
system=$(readlink -f /run/current-system)
nix-store --query --requisites "$system" | while read -r p; do echo "has $p"; done
for part in kernel initrd kernel-modules systemd; do
  [ ! -e /run/booted-system/$part ] || echo "part $part $(readlink -f /run/booted-system/$part)"
done
[ ! -r "$system/init-interface-version" ] || { read -r version <"$system/init-interface-version" || [ -n "$version" ]; } && echo "interface $version"
find "$system/etc/systemd/system/" "$system/etc/systemd/user/" -mindepth 1 -maxdepth 2 ! -type d -printf 'unit %H %P %l\n' 2>/dev/null
find "$system/etc/" -mindepth 1 -type l -printf 'etc %l %P\n' 2>/dev/null
[ ! -r /etc/fstab ] || while read -r line; do echo "fstab $line"; done </etc/fstab
for list in start restart reload; do
  [ ! -r /run/nixos/$list-list ] || while read -r unit; do echo "pending $list $unit"; done </run/nixos/$list-list
done
for group in /sys/fs/cgroup/user.slice/user-*.slice/user@*.service/*.slice/*.service /sys/fs/cgroup/user.slice/user-*.slice/user@*.service/*.slice/*.slice/*.service; do
  [ -d "$group" ] || continue
  id=${group#*/user@}
  id=${id%%.service/*}
  name=$id
  [ ! -r "/run/systemd/users/$id" ] || while IFS='=' read -r key value; do [ "$key" != NAME ] || name=$value; done <"/run/systemd/users/$id"
  echo "user $name ${group##*/}"
done
[ -d /run/systemd/system ] || exit 0
[ ! -e /run/systemd/container ] || echo container
echo loaded
systemctl show --all --no-pager --property="$properties" -- '*.service' '*.socket' '*.target' '*.timer' '*.path' '*.mount' '*.automount' '*.swap'
