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
/etc/muster/secrets refresh "$1" >>"$pending"
code=$?
# The links that could not be made were not there before either.
[ $code != 2 ] || [ -z "$2$3" ] || code=0
[ $code = 0 ] || exit $code
sort -u "$pending" | while read -r verb unit; do
  if systemctl "$verb" "$unit" >&2 && systemctl is-active --quiet "$unit"; then
    echo "${verb}ed $unit"
  else
    echo "failed $unit"
  fi
done
rm -f "$pending"
