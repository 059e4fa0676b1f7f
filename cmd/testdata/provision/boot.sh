# shellcheck shell=sh
# A machine of the lab boots from the root that was installed, where there is one.
if [ -e /newroot/boot/loader/loader.conf ]; then
  for dir in nix var boot; do mount --bind "/newroot/$dir" "/$dir"; done
  cp -a /newroot/etc/ssh/ssh_host_* /etc/ssh/
fi
