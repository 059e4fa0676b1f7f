#!/usr/bin/env bash
# pipe.sh HOST PORT: passes bytes on to a server and back, as nc does.
set -eu
exec 3<>"/dev/tcp/$1/$2"
cat <&3 &
cat >&3
