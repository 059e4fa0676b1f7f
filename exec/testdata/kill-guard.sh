# shellcheck shell=sh
# kill-guard.sh WHAT… kills the guard ("guard"), what would start it again ("watch")
# or both, for good.
booted=
! systemctl --version >/dev/null 2>&1 || booted=yes
case "$*" in
*watch*) [ -z "$booted" ] || systemctl stop 'muster-*-watch.timer' 2>/dev/null ;;
esac
for p in /proc/[0-9]*; do
  # read leaves out the zero bytes between the words.
  words=''
  { IFS= read -r words <"$p/cmdline"; } 2>/dev/null
  case $words,$* in
  /bin/sh*/guard.shrun*,guard*) ;;
  /bin/sh*/guard.shwatch*,*watch) ;;
  *) continue ;;
  esac
  kill -9 "${p#/proc/}" 2>/dev/null
done
# systemd would start the guard again: stopped by hand it does not.
case "$*" in
"guard watch") [ -z "$booted" ] || systemctl stop 'muster-*.service' 2>/dev/null ;;
esac
true
