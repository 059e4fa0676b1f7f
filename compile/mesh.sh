# shellcheck shell=sh disable=SC2154
# The peers of a host in its meshes. The generated configuration sets tables, a directory
# with a file for each mesh, by the name of its interface, of these lines; - stands for
# none:
#
#   self PORT KEYFILE NEXTKEYFILE NEXTKEY
#   address ADDRESS/BITS
#   peer NAME KEY NEXTKEY ALLOWED,… ENDPOINT KEEPALIVE
#
# NEXTKEY takes the place of a member's key when it is switched to.
#
#   sync [MESH]       bring key, addresses and peers of the interfaces that are there to
#                     what the tables say, and leave alone what is right already
#   start MESH        wait for the interface, and sync
#   mend MESH         sync, and have the interface made again where it is missing
#   show              print what there is, a line each:
#                       mesh MESH right, or differs, or down
#                       peer MESH NAME SECONDS   since the last handshake; - for none yet
#   knows MESH KEY    succeed if KEY is a next key of the mesh, or a key
#   later MESH KEY S  switch to a next key in S seconds, in the background: the connection
#                     that asks may lead through the mesh
#   switch MESH KEY   switch to a next key, for good
#   switched MESH KEY succeed if it was switched to, and the interface is right
#
# The keys that were switched to are in /var/lib/muster/mesh.
switched=/var/lib/muster/mesh

say() { echo "muster-mesh: $*" >&2; }

# is_switched KEY succeeds if a next key has taken its place.
is_switched() { [ "$1" != - ] && grep -qsxF -e "$1" "$switched/$mesh"; }

# config prints the configuration of the interface as wg(8) takes it.
config() {
  while read -r kind a b c d e f; do
    case $kind in
    self)
      key=$b
      ! is_switched "$d" || key=$c
      read -r private <"$key" || return 1
      printf '[Interface]\nListenPort = %s\nPrivateKey = %s\n' "$a" "$private"
      ;;
    peer)
      key=$b
      ! is_switched "$c" || key=$c
      printf '[Peer]\nPublicKey = %s\nAllowedIPs = %s\nPersistentKeepalive = %s\n' "$key" "$d" "$f"
      [ "$e" = - ] || echo "Endpoint = $e"
      ;;
    esac
  done <"$tables/$mesh"
}

# parts turns a configuration into lines that can be compared, one for each fact.
parts() {
  peer=''
  while read -r name _ value; do
    case $name in
    PublicKey)
      peer=$value
      echo "$peer"
      ;;
    AllowedIPs) echo "$value" | tr , '\n' | while read -r ip; do echo "$peer $ip"; done ;;
    ListenPort | PrivateKey) echo "$name $value" ;;
    PersistentKeepalive) [ "$value" = 0 ] || echo "$peer keepalive $value" ;;
    esac
  done | sort
}

# present prints the configuration that the interface has.
present() {
  tab=$(printf '\t')
  wg show "$mesh" dump | {
    IFS=$tab read -r private _ port _
    printf 'ListenPort = %s\nPrivateKey = %s\n' "$port" "$private"
    while IFS=$tab read -r key _ _ allowed _ _ _ keepalive; do
      [ "$keepalive" != off ] || keepalive=0
      [ "$allowed" != '(none)' ] || allowed=''
      printf 'PublicKey = %s\nAllowedIPs = %s\nPersistentKeepalive = %s\n' "$key" "$allowed" "$keepalive"
    done
  }
}

# state prints how the interface stands to its table: right, differs or down.
state() {
  case $(ip -o link show dev "$mesh" 2>/dev/null) in
  *[\<,]UP[,\>]*) ;;
  *) echo down && return ;;
  esac
  there=$(ip -o address show dev "$mesh")
  while read -r kind address _; do
    case $kind in address) case $there in *" $address "*) ;; *) echo differs && return ;; esac ;; esac
  done <"$tables/$mesh"
  if [ "$(config | parts)" = "$(present | parts)" ]; then echo right; else echo differs; fi
}

# is_there succeeds if the interface exists.
is_there() { ip link show dev "$mesh" >/dev/null 2>&1; }

# start waits for the interface, and gives it what the table says.
start() {
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    ! is_there || break
    sleep 1
  done
  if ! is_there; then
    say "$mesh: there is no such interface"
    return 1
  fi
  sync
}

# sync gives the interface, where it is there, what the table says.
sync() {
  is_there || return 0
  if ! text=$(config); then
    say "$mesh: the private key is not there: muster deploy sends it"
    return 1
  fi
  status=0
  if ! printf '%s\n' "$text" | WG_ENDPOINT_RESOLUTION_RETRIES=1 wg syncconf "$mesh" /dev/stdin; then
    # One name that is not resolved keeps nobody else out.
    say "$mesh: without endpoints"
    printf '%s\n' "$text" | grep -v '^Endpoint' | wg syncconf "$mesh" /dev/stdin || return 1
    status=1
  fi
  while read -r kind address _; do
    [ "$kind" != address ] || ip address replace "$address" dev "$mesh" || status=1
  done <"$tables/$mesh"
  ip link set dev "$mesh" up || status=1
  return $status
}

# join adds the peers of the table to those that are there, and takes the addresses of
# former keys over. A peer that is removed loses the packets that it has not sent yet: until
# then, it has some time to send them.
join() {
  if is_there && text=$(config); then
    printf '%s\n' "$text" | grep -v -e '^.Interface' -e '^ListenPort' -e '^PrivateKey' |
      WG_ENDPOINT_RESOLUTION_RETRIES=1 wg addconf "$mesh" /dev/stdin || true
    sleep 0.3
  fi
}

# show prints how the interface stands to its table, and the handshakes.
show() {
  echo "mesh $mesh $(state)"
  now=$(date +%s)
  handshakes=$(wg show "$mesh" latest-handshakes 2>/dev/null)
  while read -r kind name public next _; do
    [ "$kind" = peer ] || continue
    ! is_switched "$next" || public=$next
    age=-
    while read -r key at; do
      [ "$key" != "$public" ] || [ "$at" = 0 ] || age=$((now - at))
    done <<LIST
$handshakes
LIST
    echo "peer $mesh $name $age"
  done <"$tables/$mesh"
}

# every COMMAND runs a command for each mesh.
every() {
  failed=0
  for mesh in "$tables"/*; do
    mesh=${mesh##*/}
    "$1" || failed=1
  done
  return $failed
}

mesh=$2
case $1 in
sync)
  if [ -n "$mesh" ]; then sync; else every sync; fi
  ;;
start) start ;;
mend)
  if ! is_there; then
    unit=wireguard-$mesh.service
    systemctl cat "$unit" >/dev/null 2>&1 || unit=systemd-networkd.service
    systemctl restart --no-block "$unit"
  fi
  start && [ "$(state)" = right ]
  ;;
show) every show ;;
knows) grep -qF -e " $3" "$tables/$mesh" ;;
later)
  # Not a process of the session, which ends.
  if [ -d /run/systemd/system ]; then
    exec systemd-run --quiet --collect --no-block /bin/sh -c "sleep $4; exec /etc/muster/mesh switch $2 $3"
  fi
  setsid /bin/sh -c "sleep $4; exec /etc/muster/mesh switch $2 $3" </dev/null >/dev/null 2>&1 &
  ;;
switched) is_switched "$3" && [ "$(state)" = right ] ;;
switch)
  mkdir -p "$switched"
  is_switched "$3" || echo "$3" >>"$switched/$mesh"
  join
  sync
  ;;
esac
