# shellcheck shell=sh disable=SC2154
# installimage.sh unpacks an installer: a tar archive on standard input with the program
# kexec/run.
alone
rm -rf /root/muster-kexec
mkdir -p /root/muster-kexec && tar -C /root/muster-kexec --no-same-owner -xf - || exit 1
[ -x /root/muster-kexec/kexec/run ] || {
  rm -rf /root/muster-kexec
  echo "the archive has no program kexec/run" >&2
  exit 1
}
