# shellcheck shell=sh disable=SC2154,SC3013,SC3045
# The secrets of a host. The generated configuration sets table, a file with a line
# for each secret, and identities, files of private keys.
#
#   install SYSTEM   bring the secrets of a system into memory, at once, and tell NixOS
#                    which units to restart and reload for those that have changed
#   have NAME        succeed if the secret is there; install what there is if it is not
#   refresh SYSTEM   install, and print the units to restart and reload instead:
#                    restart UNIT or reload UNIT, a line each; 2 is its status if
#                    nothing but a link is missing
#   rekey FILE       encrypt what is stored to the public keys of a file instead
#
# What is encrypted lies in /var/lib/muster/secrets, or in /run for what is to be gone
# after a restart: a directory of files NAME.age for each system that muster has
# deployed (of/SYSTEM), and the newest (current). /run/muster-secrets is a link to one
# directory on a ramfs, which never reaches the disk by way of swap; it is exchanged
# as a whole.
umask 077
ulimit -c 0
dir=/run/muster-secrets
memory=/run/muster-secrets.d
kept=/var/lib/muster/secrets
volatile=/run/muster-secrets.volatile
newline='
'

say() { echo "muster-secrets: $*" >&2; }

# encrypted NAME sets file to what NAME is decrypted from.
encrypted() {
  for file in "$kept/of/$system/$1.age" "$volatile/of/$system/$1.age" "$kept/current/$1.age" "$volatile/current/$1.age"; do
    [ ! -e "$file" ] || return 0
  done
  return 1
}

# safe PATH succeeds if only root can exchange what leads to a path.
safe() {
  parent=${1%/*}
  while [ -n "$parent" ]; do
    if [ -L "$parent" ]; then
      say "$1: $parent is a link: no link to the secret is made"
      return 1
    fi
    if [ -e "$parent" ]; then
      case $(stat -c %u:%a "$parent") in
      0:*[2367][0-7] | 0:*[2367])
        say "$1: others may write to $parent: no link to the secret is made"
        return 1
        ;;
      0:*) ;;
      *)
        say "$1: $parent does not belong to root: no link to the secret is made"
        return 1
        ;;
      esac
    fi
    parent=${parent%/*}
  done
}

# replace TARGET LINK makes a link in one step.
replace() { ln -sfn "$1" "$2.muster-new" && mv -T "$2.muster-new" "$2"; }

# units KIND LIST adds the units of a list to those to restart or reload.
units() {
  [ "$2" != - ] || return 0
  rest=$2,
  while [ -n "$rest" ]; do
    unit=${rest%%,*} rest=${rest#*,}
    case " $changed " in *" $1:$unit "*) ;; *) changed="$changed $1:$unit" ;; esac
  done
}

# alone makes the rest one step: units of several secrets start side by side.
alone() {
  exec 9>"$memory.lock"
  flock 9
}

# there succeeds if what is in memory has the time, owner and permissions that it should
# have: then it has the content of its file, too.
there() {
  case $have in *"$newline$name $owner $group ${mode#0}$newline"*) ;; *) return 1 ;; esac
  ! { [ "$file" -nt "$new/$name" ] || [ "$file" -ot "$new/$name" ]; }
}

# decrypt brings the content of a file into $new/.put, readable to nobody but root.
decrypt() {
  # shellcheck disable=SC2086
  age -d $keys -o "$new/.put/$name" "$file" 2>"$new/.why" && return
  say "$name: cannot be decrypted with this host's SSH host keys: $(head -n 1 "$new/.why")"
  return 1
}

# put gives what decrypt has brought the time of its file, owner and permissions, and only
# then its name. $new/.todo has a line for each. Those that have all this in common take
# one program each time: a thousand secrets are not thousands of programs.
put() {
  cd "$new/.put" || return 1
  while [ -s "$new/.todo" ]; do
    read -r _ of mode first _ <"$new/.todo"
    alike=''
    : >"$new/.later"
    while read -r name owner permissions file restart reload; do
      if [ "$owner $permissions" != "$of $mode" ] || [ "$file" -nt "$first" ] || [ "$file" -ot "$first" ]; then
        echo "$name $owner $permissions $file $restart $reload" >>"$new/.later"
        continue
      fi
      alike="$alike $name"
      if [ "$restart$reload" != -- ] && [ -e "$dir/$name" ] && ! cmp -s "$dir/$name" "$name"; then
        units restart "$restart"
        units reload "$reload"
      fi
    done <"$new/.todo"
    # shellcheck disable=SC2086
    if ! { touch -r "$first" -- $alike && { [ "$of" = root:root ] || chown "$of" -- $alike; } && chmod "$mode" -- $alike && mv -f -- $alike ..; } 2>"$new/.why"; then
      for name in $alike; do
        say "$name: $(head -n 1 "$new/.why")"
        rm -f -- "$new/$name"
      done
      status=1
    fi
    mv "$new/.later" "$new/.todo"
  done
  cd / && rm -rf "$new/.put" "$new/.todo" "$new/.later"
}

# prepare makes the directory for memory, and sets keys to the options for the identities.
prepare() {
  mkdir -p "$memory" && chmod 0751 "$memory" || return 1
  if ! mountpoint -q "$memory"; then
    mount -t ramfs -o mode=0751,nodev,nosuid,noexec ramfs "$memory" || say "no ramfs: the secrets are in /run, and can be swapped out"
  fi
  keys=''
  for key in $identities; do [ ! -r "$key" ] || keys="$keys -i $key"; done
}

# rekey FILE encrypts what is stored to the public keys of a file, each in one step. What
# this host's keys do not open is left as it is. It keeps its time, by which install knows
# what is in memory already.
rekey() {
  prepare || return 1
  for file in "$kept"/sets/*/*.age "$volatile"/sets/*/*.age; do
    [ -e "$file" ] || continue
    next=${file%/*}/.rekey
    # shellcheck disable=SC2086
    age -d $keys -o "$memory/.rekey" "$file" 2>/dev/null || continue
    if ! { age -R "$1" -o "$next" "$memory/.rekey" && touch -r "$file" "$next" && sync "$next" && mv -T "$next" "$file"; } 2>"$memory/.why"; then
      say "$file: cannot be encrypted to another key: $(head -n 1 "$memory/.why")"
      rm -f "$memory/.rekey" "$next"
      return 1
    fi
  done
  rm -f "$memory/.rekey" "$memory/.why"
}

install() {
  status=0 linked=0 changed=''
  prepare || return 1
  new=$(mktemp -d "$memory/XXXXXXXX") && chmod 0751 "$new" || return 1
  cp -a "$dir/." "$new/" 2>/dev/null
  have=$newline$(cd "$new" && stat -c '%n %U %G %a' -- * 2>/dev/null)$newline
  mkdir "$new/.put" && : >"$new/.todo" || return 1
  while read -r name owner group mode _ restart reload; do
    if ! encrypted "$name"; then
      say "$name: it was not sent to this host: muster deploy sends it"
    elif there; then
      continue
    elif decrypt; then
      echo "$name $owner:$group $mode $file $restart $reload" >>"$new/.todo"
      continue
    fi
    rm -f -- "$new/$name"
    status=1
  done <"$table"
  put || return 1
  named=' '
  : >"$memory/links.new"
  while read -r name _ _ _ path _; do
    [ -e "$new/$name" ] || continue
    named="$named$name "
    [ "$path" = - ] || echo "$name $path" >>"$memory/links.new"
  done <"$table"
  rm -f "$new/.why"
  for file in "$new"/*; do
    case $named in *" ${file##*/} "*) ;; *) rm -f "$file" ;; esac
  done
  former=$(readlink "$dir")
  replace "$new" "$dir" || return 1
  while read -r name path; do
    if [ -e "$path" ] && [ ! -L "$path" ]; then
      say "$path: a file is there: no link to the secret is made"
      linked=2
    elif safe "$path" && (umask 022 && mkdir -p "${path%/*}") && replace "$dir/$name" "$path"; then
      :
    else
      linked=2
    fi
  done <"$memory/links.new"
  if [ -e "$memory/links" ]; then
    while read -r name path; do
      # What is no longer asked for is removed, if it is what was made.
      while read -r _ other; do [ "$other" != "$path" ] || continue 2; done <"$memory/links.new"
      [ "$(readlink "$path")" != "$dir/$name" ] || ! safe "$path" || rm -f "$path"
    done <"$memory/links"
  fi
  mv -T "$memory/links.new" "$memory/links"
  case $former in "$memory"/*) rm -rf "$former" ;; esac
  for old in "$memory"/????????; do [ ! -d "$old" ] || [ "$old" = "$new" ] || rm -rf "$old"; done
  [ $status = 0 ] || return $status
  return $linked
}

case $1 in
install)
  alone
  system=${2##*/}
  install
  status=$?
  mkdir -p /run/nixos
  for unit in $changed; do echo "${unit#*:}" >>"/run/nixos/activation-${unit%%:*}-list"; done
  exit $status
  ;;
refresh)
  alone
  system=${2##*/}
  install
  status=$?
  for unit in $changed; do echo "${unit%%:*} ${unit#*:}"; done
  exit $status
  ;;
rekey)
  alone
  rekey "$2"
  ;;
have)
  [ -e "$dir/$2" ] && exit
  alone
  [ -e "$dir/$2" ] && exit
  system=$(readlink -f /run/current-system)
  system=${system##*/}
  install
  [ -e "$dir/$2" ]
  ;;
esac
