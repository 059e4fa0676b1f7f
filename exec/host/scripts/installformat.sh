# shellcheck shell=sh disable=SC2154
# installformat.sh DEVICE NAME NUMBER MAPPER PROGRAM... formats a partition, or what it
# holds encrypted where MAPPER is not empty, with a program.
alone
disk "$1" "$2"
part "$2" "$3"
[ -z "$4" ] || part=/dev/mapper/$4
shift 4
"$@" "$part" </dev/null
