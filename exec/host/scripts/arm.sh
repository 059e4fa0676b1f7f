# shellcheck shell=sh disable=SC2154
# arm.sh TEXT BOOTS FORMER-SYSTEM SEEN LIMIT RUN SYSTEM PREVIOUS … starts the guard,
# whose text and arguments these are (see guard.sh), and watches it. It refuses, with
# one line on standard error that begins with "refused", where another run holds the
# host, another guard is at work, or the host is no longer on what it was when it
# was inspected: what runs (PREVIOUS), the profile (FORMER) and the boot default
# (BOOTS, empty for unknown).
text=$1 expected=$2 formersystem=$3 seen=$4 limit=$5
shift 5
run=$1 system=$2 previous=$3 former=$6
refuse() {
  echo "refused $*" >&2
  exit 0
}
mutex
holder=
[ ! -r "$dir/lock" ] || read -r holder _ <"$dir/lock"
[ "$holder" = "$run" ] || refuse "lost $holder"
if guard_busy; then refuse "busy $there"; fi
runs "$previous" || refuse "moved it runs $(running), not ${previous:-no system}"
link=''
[ ! -L "$profile" ] || link=$(readlink "$profile")
generation=0
case $link in
*system-*-link)
  generation=${link##*system-}
  generation=${generation%-link}
  ;;
esac
[ "$generation" = "$former" ] || refuse "moved its profile is on generation $generation, not on $former"
boot_default
if [ -n "$expected" ] && [ "$boots" != "$expected" ]; then refuse "moved it would boot ${boots:-another system}, not $expected"; fi
[ -x "$system/bin/switch-to-configuration" ] || refuse nosystem
new=$guard.new
{ rm -rf "$new" "$guard" && mkdir "$new" && printf %s "$text" >"$new/guard.sh" && echo "$run" >"$new/run" &&
  set_state "$new/state" armed && printf '%s\n' "$@" "$formersystem" "$boots" >"$new/args" &&
  : >"$new/log" && : >"$new/busy" && : >"$new/alive" && mkfifo "$new/words" "$new/pipe.1" "$new/pipe.2" && mv "$new" "$guard"; } 2>/dev/null || unwritable
launch "$@" "$formersystem" "$boots" 9>&- || {
  rm -rf "$guard"
  exit 1
}
exec 9>&-
watch "$seen" "$limit" ''
