#!/bin/sh
# systemctl of a plain host, which has no systemd. It answers from the files by which minios remembers its units:
# /run/minios/units/NAME holds state=active or state=failed and unit=UNIT-FILE.
#
#   systemctl show [--property=P,...|-p P] [--value] [--] UNIT...   Id, LoadState, ActiveState, SubState, Result, FragmentPath
#   systemctl list-units [--failed] [--plain] [--no-legend]         running and failed units
#   systemctl is-active|is-failed UNIT...                           as systemd, with its exit statuses
#   systemctl is-system-running                                     running, or degraded (exit status 1)
#   systemctl reboot|poweroff
#
# Every other command fails as it does on a machine that systemd has not booted.
units=/run/minios/units
command=
properties=
value=
failed=
names=

while [ $# -gt 0 ]; do
  case $1 in
  --property=*) properties=${1#*=} ;;
  -p | --property) properties=$2 && shift ;;
  --value) value=yes ;;
  --failed | --state=failed) failed=yes ;;
  --) ;;
  -*) ;; # the way it is printed
  *) if [ -z "$command" ]; then command=$1; else names="$names $1"; fi ;;
  esac
  shift
done

# state UNIT sets active and sub to what systemd would call them, and fragment to the
# unit file. It starts no program: hosts are asked often.
state() {
  active='' fragment=''
  if [ -r "$units/$1" ]; then
    while IFS='=' read -r key text; do
      case $key in
      state) active=$text ;;
      unit) fragment=$text ;;
      esac
    done <"$units/$1"
  fi
  case $active in
  active) sub=running ;;
  failed) sub=failed ;;
  *) active=inactive sub=dead ;;
  esac
}

# property UNIT NAME sets answer.
property() {
  path=/etc/systemd/system/$1
  case $2 in
  Id) answer=$1 ;;
  ActiveState) answer=$active ;;
  SubState) answer=$sub ;;
  LoadState) if [ -e "$path" ] || [ -e "$units/$1" ]; then answer=loaded; else answer=not-found; fi ;;
  FragmentPath) answer=$fragment ;;
  Result) if [ "$active" = failed ]; then answer=exit-code; else answer=success; fi ;;
  *) answer= && return 1 ;;
  esac
}

show() {
  separator=
  for unit in $names; do
    printf %s "$separator"
    separator='
'
    state "$unit"
    for name in $(echo "${properties:-Id,LoadState,ActiveState,SubState,FragmentPath,Result}" | tr , ' '); do
      property "$unit" "$name" || continue
      if [ -n "$value" ]; then echo "$answer"; else echo "$name=$answer"; fi
    done
  done
}

list_units() {
  for file in "$units"/*; do
    [ -e "$file" ] || continue
    unit=${file##*/}
    state "$unit"
    [ -z "$failed" ] || [ "$active" = failed ] || continue
    echo "$unit loaded $active $sub $unit"
  done
}

# is STATE prints the state of each unit and fails with systemd's status unless one is in STATE.
is() {
  found=$2
  for unit in $names; do
    state "$unit"
    echo "$active"
    [ "$active" != "$1" ] || found=0
  done
  return "$found"
}

case $command in
show) show ;;
list-units) list_units ;;
is-active) is active 3 ;;
is-failed) is failed 1 ;;
is-system-running)
  failed=yes
  [ -n "$(list_units)" ] || { echo running && exit; }
  echo degraded
  exit 1
  ;;
reboot) exec kill -HUP 1 ;;
poweroff | halt) exec kill -TERM 1 ;;
*)
  echo "System has not been booted with systemd as init system (PID 1). Can't operate." >&2
  exit 1
  ;;
esac
