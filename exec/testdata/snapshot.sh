# shellcheck shell=sh
# Prints a line for each file of a host. See snapshot in dry_test.go.
for d in / /run /usr/local; do
  find $d -xdev -printf '%p %y %m %U:%G %s %T@ %l\n'
  find $d -xdev -type f -exec md5sum {} +
done | sed 's|^\(/nix/var/nix/db d .*\) [0-9.]* $|\1|' | sort
