# shellcheck shell=sh disable=SC2034,SC2154
# What the boot loader would start, for scripts that go on with it.

# boot_entry FILE sets boots to the system that a boot loader's entry starts.
boot_entry() {
  set -f
  while read -r _ words; do
    for word in $words; do
      case $word in
      init=/nix/store/*/init)
        boots=${word#init=}
        boots=${boots%/init}
        ;;
      esac
    done
  done <"$1"
  set +f
}

# boot_default sets boots to the system that the boot loader would start, and to
# nothing where that cannot be told. It knows systemd-boot, GRUB's first entry and
# extlinux.
boot_default() {
  boots=''
  for esp in /boot /efi /boot/efi; do
    [ -r "$esp/loader/loader.conf" ] || continue
    entry=''
    while read -r key value _; do [ "$key" != default ] || entry=$value; done <"$esp/loader/loader.conf"
    # What bootctl set-default stores: four bytes of attributes, then UTF-16.
    chosen=/sys/firmware/efi/efivars/LoaderEntryDefault-4a67b082-0a4c-41cf-b6c7-440b29bb8c4f
    [ ! -r "$chosen" ] || entry=$(tail -c +5 "$chosen" | tr -d '\0')
    entry=$esp/loader/entries/${entry%.conf}.conf
    [ ! -r "$entry" ] || boot_entry "$entry"
    return
  done
  if [ -r /boot/grub/grub.cfg ]; then
    # The default is a number, or computed from saved variables, and then unknown.
    number='' n=0
    while read -r word rest; do
      case "$word $rest" in
      'set default="'[0-9]*) number=${rest#*\"} number=${number%\"*} ;;
      'set default='[0-9]*) number=${rest#*=} ;;
      'set default='*next_entry*) ;;
      'set default='*) number=unknown ;;
      menuentry*) n=$((n + 1)) ;;
      linux*/init*) [ "$n" != 1 ] || first=$rest ;;
      esac
    done </boot/grub/grub.cfg
    case $number,${first-} in
    0,*init=/nix/store/*)
      boots=${first#*init=}
      boots=${boots%%/init*}
      ;;
    esac
  elif [ -r /boot/extlinux/extlinux.conf ]; then
    default='' label=''
    while read -r key rest; do
      case $key in
      DEFAULT) default=$rest ;;
      LABEL) label=$rest ;;
      APPEND)
        case $label,$rest in
        "$default",*init=/nix/store/*)
          boots=${rest#*init=}
          boots=${boots%%/init*}
          ;;
        esac
        ;;
      esac
    done </boot/extlinux/extlinux.conf
  fi
}
