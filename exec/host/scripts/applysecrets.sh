# shellcheck shell=sh disable=SC2154
# applysecrets.sh SYSTEM [KEPT VOLATILE] brings the stored secrets of the running system
# into memory, and restarts or reloads the units that asked for it. Where sets are
# given, those are made the system's again first: it goes back. It prints a line for
# each of these:
#
#   restarted UNIT    reloaded UNIT    failed UNIT
#
# What is to be restarted is written down first: who is cut off in between, does it
# the next time.
system=${1##*/}
[ -z "$2" ] || secrets_link "$secrets" "../sets/${2##*/}" "of/$system" || exit 1
[ -z "$3" ] || secrets_link "$volatile" "../sets/${3##*/}" "of/$system" || exit 1
[ -e /etc/muster/secrets ] || exit 0
pending=/run/muster-secrets.pending

# well UNIT succeeds if a unit runs, or has done what a oneshot is for.
well() {
  systemctl is-active --quiet "$1" && return
  [ "$(systemctl show --property=Type --value -- "$1")" = oneshot ] && ! systemctl is-failed --quiet "$1"
}

/etc/muster/secrets refresh "$1" >>"$pending"
code=$?
# The links that could not be made were not there before either.
[ $code != 2 ] || [ -z "$2$3" ] || code=0
[ $code = 0 ] || exit $code
sort -u "$pending" | while read -r verb unit; do
  # One that does not run reads its secrets when it starts.
  [ "$verb" != reload ] || systemctl is-active --quiet "$unit" || continue
  if systemctl "$verb" "$unit" >&2 && well "$unit"; then
    echo "${verb}ed $unit"
  else
    echo "failed $unit"
  fi
done
rm -f "$pending"
