# shellcheck shell=sh
# compare.sh PATH… says which of the paths the host lacks, what its running system
# is made of, its units (each with its file and the one that NixOS puts beside a
# package's own unit), and the parts it was booted with.
for p; do [ -e "$p" ] || echo "lacks $p"; done
[ -e /run/current-system ] || exit 0
system=$(readlink -f /run/current-system)
nix-store --query --requisites "$system" | while read -r p; do echo "has $p"; done
for f in "$system"/etc/systemd/system/*; do
  case $f in
  *.service | *.socket | *.timer | *.mount | *.path)
    over=
    [ ! -f "$f.d/overrides.conf" ] || over=$(readlink -f "$f.d/overrides.conf")
    [ ! -f "$f" ] || echo "unit ${f##*/} $(readlink -f "$f") $over"
    ;;
  esac
done
for part in kernel initrd kernel-modules systemd; do
  [ ! -e /run/booted-system/$part ] || echo "part $part $(readlink -f /run/booted-system/$part)"
done
