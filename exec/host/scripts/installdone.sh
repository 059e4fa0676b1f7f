# shellcheck shell=sh disable=SC2154
# installdone.sh removes the note of an installation on the host that it has made.
rm -f "$records/install"
