# shellcheck shell=sh
# Boots a host as its boot loader would: activates what the default entry names.
if [ -r /boot/loader/loader.conf ]; then
  entry=$(sed -n 's/^default //p' /boot/loader/loader.conf)
  init=$(sed -n 's/^options init=\([^ ]*\).*/\1/p' "/boot/loader/entries/$entry")
  ln -sfn "${init%/init}" /run/booted-system
  BOOTING=yes "${init%/init}/activate" >/dev/null 2>&1
fi
