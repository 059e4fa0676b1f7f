#!/bin/sh
# The login shell of a host that goes mad: while the file /etc/mad says how, it gives
# muster's commands such answers. It begins as an honest one does, with the marker
# that muster waits for.
marker=$(printf '%s' "$2" | sed -n '1s/.*echo \(muster-[A-Z0-9]*\) .*/\1/p')
if [ ! -r /etc/mad ] || [ -z "$marker" ]; then exec /bin/sh "$@"; fi
read -r how </etc/mad
echo "$marker $$" >&2
echo "$marker"
case $how in
flood) while head -c 65536 /dev/urandom; do sleep 0.01; done ;;
trickle) while echo x; do sleep 1; done ;;
silence) exec sleep 600 ;;
garbage)
  head -c 8192 /dev/urandom
  echo
  head -c 8192 /dev/urandom >&2
  ;;
esac
