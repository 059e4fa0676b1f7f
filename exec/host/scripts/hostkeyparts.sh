# shellcheck shell=sh disable=SC2154
# What scripts about the SSH host key have in common.

# secrets_rekey SYSTEM FILE encrypts what is stored of secrets to the recipients of a file.
secrets_rekey() {
  [ -d "$secrets/sets" ] || [ -d "$volatile/sets" ] || return 0
  [ -e "$1/etc/muster/secrets" ] || {
    echo "$1 has no /etc/muster/secrets, which encrypts what is stored to the new key: deploy first" >&2
    return 1
  }
  "$1/etc/muster/secrets" rekey "$2"
}

# reload_sshd has sshd read its keys again. Its sessions go on.
reload_sshd() {
  for unit in sshd.service ssh.service; do
    ! systemctl is-active --quiet $unit 2>/dev/null || ! systemctl kill --signal=HUP --kill-who=main $unit 2>/dev/null || return 0
  done
  [ ! -r /run/sshd.pid ] || kill -HUP "$(cat /run/sshd.pid)" || true
}
