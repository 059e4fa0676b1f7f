# shellcheck shell=sh disable=SC2154,SC3013
# secrets.sh SYSTEM BASE VOLATILE ROOT stores the secrets for a system, encrypted as they
# come: a tar archive on standard input. ROOT is empty, or the directory that is / on the
# host. In kept and volatile the archive has
#
#   NAME.age   what is new
#   .same      names whose files are those of BASE (or VOLATILE), directories of sets
#   .macs      a line for each: NAME MAC
#   .keep      names that a rollback brings back
#   .key       what the MACs are made with
#
# and at its end the file end, without which it is not whole. Until the last step, which
# is a rename, the system has the secrets it had.
set -e
system=${1##*/} base=$2 base_volatile=$3
secrets=$4$secrets volatile=$4$volatile
new='' new_volatile=''
rm -rf /run/muster-secrets.in.* # of a push that was killed; the lock keeps others away
in=$(mktemp -d /run/muster-secrets.in.XXXXXXXX)
trap 'rm -rf "$in" "$new" "$new_volatile"' EXIT
trap 'exit 1' HUP INT PIPE TERM
tar -C "$in" --no-same-owner --no-same-permissions -xf -
[ -e "$in/end" ] || {
  echo "what was sent has no end" >&2
  exit 1
}

# fill FROM TO BASE makes a set of what was sent and of what is there. By the time of its
# file is known whether what is in memory is older: that of another content is another,
# also where the file system counts seconds, or the clock was set back. All that is new has
# one time, so that the host's own script can give it to many files at once.
fill() {
  cp -R "$1/." "$2/"
  for file in "$2"/*.age; do
    [ -e "$file" ] || continue
    touch -r "$2/.macs" "$2"/*.age
    break
  done
  for file in "$2"/*.age; do
    former=$3/${file##*/}
    if [ -z "$3" ] || [ ! -e "$file" ] || [ ! -e "$former" ]; then continue; fi
    [ "$file" -nt "$former" ] || [ "$file" -ot "$former" ] || touch -r "$former" -d '1 second' "$file"
  done
  [ ! -s "$1/.same" ] || link_same "$3" "$2" <"$1/.same"
}

# link_same FROM TO gives a set the files of another one whose names are on standard input.
link_same() (
  from=$1 to=$2
  set --
  while read -r name; do set -- "$@" "$from/$name.age"; done
  ln "$@" "$to/"
)

mkdir -p "$secrets/sets" "$secrets/of" "$volatile/sets" "$volatile/of"
chmod 0700 "$secrets" "$volatile"
new=$(mktemp -d "$secrets/sets/XXXXXXXX")
new_volatile=$(mktemp -d "$volatile/sets/XXXXXXXX")
fill "$in/kept" "$new" "$base"
fill "$in/volatile" "$new_volatile" "$base_volatile"
sync -f "$new"
secrets_link "$volatile" "../sets/${new_volatile##*/}" "of/$system"
new_volatile=''
secrets_link "$secrets" "../sets/${new##*/}" "of/$system"
new=''
sync -f "$secrets"
