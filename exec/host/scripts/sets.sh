# shellcheck shell=sh disable=SC2154,SC3013
# The sets of secrets on a host, for scripts that go on with them.

# secrets_link ROOT ID LINK makes LINK of a root name a set, in one step.
secrets_link() { ln -sfn "$2" "$1/$3.new" && mv -T "$1/$3.new" "$1/$3"; }

# secrets_settle SYSTEM makes the secrets of a system the current ones. Those of
# generations that are left keep what is to be kept, and others nothing.
secrets_settle() {
  set -- "${1##*/}"
  [ -d "$secrets/of" ] || return 0
  [ -e /run/current-system/etc/muster/secrets ] || secrets_forget
  # One by one: busybox's readlink takes no more, and no answer would mean that nothing
  # is wanted.
  wanted=$(for link in /run/current-system /run/booted-system "$profile"-*-link; do readlink -f "$link"; done)
  for root in "$secrets" "$volatile"; do
    [ -d "$root/of" ] || continue
    if [ ! -e "/nix/store/$1/etc/muster/secrets" ]; then
      rm -f "$root/current"
    elif [ -L "$root/of/$1" ]; then
      id=$(readlink "$root/of/$1")
      secrets_link "$root" "${id#../}" current
    elif [ -L "$root/current" ]; then
      secrets_link "$root" "../$(readlink "$root/current")" "of/$1"
    fi
    used=' '
    for link in "$root"/of/*; do
      [ -L "$link" ] || continue
      id=$(readlink "$link")
      case "$wanted
" in
      */"${link##*/}
"*) ;;
      *)
        rm -f "$link"
        continue
        ;;
      esac
      used="$used${id##*/} "
      [ "${link##*/}" = "$1" ] || secrets_prune "$root/sets/${id##*/}"
    done
    for old in "$root"/sets/*; do
      case $used in *" ${old##*/} "*) ;; *) rm -rf "$old" ;; esac
    done
  done
}

# secrets_forget removes what is in memory.
secrets_forget() {
  if [ -r /run/muster-secrets.d/links ]; then
    while read -r name path; do
      [ "$(readlink "$path")" != "/run/muster-secrets/$name" ] || rm -f "$path"
    done </run/muster-secrets.d/links
  fi
  umount /run/muster-secrets.d 2>/dev/null
  rm -rf /run/muster-secrets /run/muster-secrets.d
}

# secrets_prune SET removes what is not to be kept, unless it is of the current set.
secrets_prune() (
  [ ! "$1" -ef "$root/current" ] || return 0
  cd "$1" || return 1
  keep="
$(cat .keep)
"
  set --
  for file in *.age; do
    [ -e "$file" ] || continue
    case $keep in *"
${file%.age}
"*) ;; *) set -- "$@" "./$file" ;; esac
  done
  [ $# = 0 ] || rm -f "$@"
)
