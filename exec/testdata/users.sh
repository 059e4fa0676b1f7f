# shellcheck shell=sh
# users.sh HASH makes users that log in where root does not, with a password.
number=1234
for user in plain asked free; do
  grep -q "^$user:" /etc/passwd || echo "$user:x:$number:$number::/tmp:/bin/sh" >>/etc/passwd
  echo "$user:$1:19000:0:99999:7:::" >>/etc/shadow
  cp /etc/ssh/authorized_keys.d/root /etc/ssh/authorized_keys.d/$user && chmod 644 /etc/ssh/authorized_keys.d/$user
  number=$((number + 1))
done
printf '%s\n' 'root ALL=(ALL) ALL' 'free ALL=(ALL) NOPASSWD: ALL' 'asked ALL=(ALL) ALL' >/etc/sudoers
chmod 440 /etc/sudoers
mkdir -p /etc/pam.d
printf '%s\n' 'auth required pam_unix.so' 'account required pam_unix.so' 'session required pam_permit.so' >/etc/pam.d/sudo
