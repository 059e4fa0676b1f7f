# shellcheck shell=sh disable=SC2154
# installkeys.sh places the SSH host key: a tar archive on standard input with the files
# of /etc/ssh.
alone
mkdir -p "$target/etc/ssh" && chmod 0755 "$target/etc" "$target/etc/ssh" || exit 1
rm -rf "$target/etc/ssh/.muster"
mkdir "$target/etc/ssh/.muster" && tar -C "$target/etc/ssh/.muster" --no-same-owner -xf - || exit 1
for file in "$target"/etc/ssh/.muster/*; do
  chmod 0600 "$file"
  case $file in *.pub) chmod 0644 "$file" ;; esac
  mv -f "$file" "$target/etc/ssh/" || exit 1
done
rmdir "$target/etc/ssh/.muster"
sync
