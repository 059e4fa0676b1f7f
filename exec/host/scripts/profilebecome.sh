# shellcheck shell=sh
# profilebecome.sh USER COMMAND… runs a command as a user, with the user's home. An
# empty USER, and the one that runs this, need nothing.
user=$1
shift
if [ -z "$user" ] || [ "$(id -un)" = "$user" ]; then exec "$@"; fi
# The user's name is a plain word.
home=$(eval "echo ~$user")
set -- env -u XDG_RUNTIME_DIR HOME="$home" USER="$user" LOGNAME="$user" "$@"
cd / || exit 1
if command -v setpriv >/dev/null; then
  exec setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups -- "$@"
fi
exec sudo -n -H -u "$user" -- "$@"
