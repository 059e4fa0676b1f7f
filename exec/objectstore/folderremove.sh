# shellcheck shell=sh
# folderremove.sh FOLDER removes the objects of a folder whose paths standard input has, with a NUL behind each. The
# directories that are empty then are removed, too, but for the two outermost levels, into which others write.
export LC_ALL=C
PATH=$PATH:/run/current-system/sw/bin:/usr/bin:/bin
say() { echo "muster-object $*"; }
cd -- "$1" 2>/dev/null || {
  cat >/dev/null # so that the sender reads the answer
  say nofolder
  exit 0
}
# shellcheck disable=SC2016
if why=$(xargs -0 -r sh -c '
  rm -f -- "$@" || exit 1
  for key; do
    dir=$key
    while :; do
      case $dir in
      */*/*/*) dir=${dir%/*} ;;
      *) break ;;
      esac
      rmdir -- "$dir" 2>/dev/null || break
    done
  done' sh 2>&1); then
  say removed
else
  say refused "$why"
fi
