# shellcheck shell=sh
# folderput.sh FOLDER KEY SIZE CONDITION [TAG] makes standard input the object of a folder, at once, where it is whole and the
# condition holds: any, absent, or match, where the object has the tag.
export LC_ALL=C
PATH=$PATH:/run/current-system/sw/bin:/usr/bin:/bin
umask 022
say() { echo "muster-object $*"; }
fail() {
  cat >/dev/null # so that the sender reads the answer
  say "$@"
  exit 0
}
cd -- "$1" 2>/dev/null || fail nofolder
dir=.
case $2 in
*/*) dir=${2%/*} ;;
esac
why=$(mkdir -p -- "$dir" 2>&1) || fail refused "$why"
temp=$(mktemp "$dir/.muster-XXXXXXXX" 2>&1) || fail refused "$temp"
trap 'rm -f "$temp"' EXIT
trap 'exit 1' HUP INT PIPE TERM
why=$(cat 2>&1 >"$temp") || fail refused "$why"
if [ "$(stat -c %s "$temp")" != "$3" ]; then
  say refused "it ends after $(stat -c %s "$temp") of $3 bytes"
  exit 0
fi
why=$({ chmod 0644 "$temp" && sync "$temp"; } 2>&1) || fail refused "$why"
if [ "$4" != any ]; then
  # Writers with conditions exclude each other.
  exec 9>.muster-lock || fail refused its lock cannot be written
  flock -w 30 9 || fail refused its lock is held
  now=''
  [ ! -e "$2" ] || now=$(sha256sum <"$2") || exit 1
  if [ "$4" = absent ] && [ -n "$now" ] || [ "$4" = match ] && [ "${now%% *}" != "$5" ]; then
    fail conflict
  fi
fi
why=$(mv -fT -- "$temp" "$2" 2>&1) || fail refused "$why"
sync "$dir" 2>/dev/null
say written
