# shellcheck shell=sh disable=SC2154,SC3013
# What scripts that read a machine need of each other: facts, one a line, a word and the
# rest. With root, files are read below that directory, and recorded/ in it has what
# programs printed.

# first FILE sets line to the first line of a file, or to nothing.
first() {
  line=''
  [ ! -r "$root$1" ] || IFS= read -r line <"$root$1"
}

# say WORD TEXT prints a fact, unless it is empty.
say() { [ -z "$2" ] || printf '%s %s\n' "$1" "$2"; }

# fact WORD FILE prints the first line of a file.
fact() {
  first "$2"
  say "$1" "$line"
}

# facts WORD FILE prints all lines of a file.
facts() {
  [ ! -r "$root$2" ] || while IFS= read -r line || [ -n "$line" ]; do say "$1" "$line"; done <"$root$2"
}

# ask WORD PROGRAM ARGUMENT... prints each line that a program prints.
ask() {
  word=$1 program=$2
  shift
  if [ -n "$root" ]; then
    facts "$word" "/recorded/$program"
  elif command -v "$program" >/dev/null; then
    "$@" </dev/null | while IFS= read -r line; do say "$word" "$line"; done
  fi
}

# module DIRECTORY sets line to the kernel module that drives a device.
module() {
  line=''
  [ ! -e "$1/driver/module" ] || line=$(readlink -f "$1/driver/module")
  line=${line##*/}
}

# block NAME prints what a disk, a partition or what is made of them is.
block() {
  d=$root/sys/class/block/$1 dev=''
  [ -e "$d" ] || return
  say block "$1"
  for attr in dev size ro removable partition dm/name dm/uuid md/level md/uuid queue/rotational \
    device/model device/vendor device/serial serial wwid device/wwid; do
    fact "block $1 $attr" "${d#"$root"}/$attr"
    [ $attr != dev ] || dev=$line
  done
  [ ! -r "$d/device/vpd_pg80" ] || say "block $1 vpd" "$(tail -c +5 "$d/device/vpd_pg80" | tr -d '\000')"
  for p in "$d/$1"*; do [ ! -e "$p/partition" ] || say "block ${p##*/} parent" "$1"; done
  for p in "$d"/slaves/*; do [ ! -e "$p" ] || say "block $1 parent" "${p##*/}"; done
  module "$d/device"
  say "block $1 module" "$line"
  [ -n "$dev" ] && [ -r "$root/run/udev/data/b$dev" ] || return
  database=1
  while IFS= read -r line; do
    case $line in
    S:disk/by-* | S:mapper/* | E:ID_FS_* | E:ID_PART_* | E:ID_SERIAL* | E:ID_MODEL=* | E:ID_VENDOR=* | E:ID_BUS=* | E:ID_WWN*)
      say "udev $1" "$line"
      ;;
    esac
  done <"$root/run/udev/data/b$dev"
}

# disks [NAME...] prints what disks, partitions and what is made of them the machine has,
# those of the names also where they are of a kind that is left out, and what they are in
# use for. What is on them is asked of the disks themselves where there are names: after
# a change, udev may be late.
disks() {
  database=''
  for name; do block "$name"; done
  for d in "$root"/sys/class/block/*; do
    name=${d##*/}
    case $name in loop* | ram* | zram* | fd[0-9]* | sr[0-9]* | nbd* | mmcblk*boot* | mmcblk*rpmb | '*') continue ;; esac
    case " $* " in *" $name "*) ;; *) block "$name" ;; esac
  done
  for link in "$root"/dev/disk/by-*/* "$root"/dev/mapper/*; do
    [ ! -L "$link" ] || say "link ${link#"$root/dev/"}" "$(readlink "$link")"
  done
  for p in "$root"/sys/fs/btrfs/*/devices/*; do [ ! -e "$p" ] || say "block ${p##*/} held" btrfs; done
  if [ $# -gt 0 ] || [ -z "$database" ]; then known; fi
  facts swap /proc/swaps
  facts mount /proc/self/mountinfo
}

# known prints what is on disks. The blkid of busybox has no cache, and no options.
known() {
  if [ -n "$root" ]; then
    facts blkid /recorded/blkid
    return
  fi
  on=$(blkid -c /dev/null -o full </dev/null)
  [ -n "$on" ] || on=$(blkid </dev/null)
  printf '%s\n' "$on" | while IFS= read -r line; do say blkid "$line"; done
}
