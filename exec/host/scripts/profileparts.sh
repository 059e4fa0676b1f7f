# shellcheck shell=sh disable=SC2034
# Scripts that are about the profile of a user go on with this. They take neither root
# nor systemd. LINK is the profile's link: absolute, or below the user's home.

PATH=$HOME/.nix-profile/bin:$HOME/.local/state/nix/profile/bin:$PATH

# profile_names LINK sets link to the whole path, and history to the directory of what
# muster has done to the profile.
profile_names() {
  case $1 in
  /*) link=$1 ;;
  *) link=$HOME/$1 ;;
  esac
  history=$HOME/.local/state/muster/profiles/$(printf %s "$1" | tr / _)
}

# on LINK sets on to the store path that a profile leads to, and number to the name of
# its generation; both are empty where there is none.
on() {
  on='' number=''
  [ -e "$1" ] || return 0
  on=$(readlink -f "$1")
  [ ! -L "$1" ] || number=$(readlink "$1")
}
