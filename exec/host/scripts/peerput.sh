# shellcheck shell=sh
# peerput.sh FILE BASE64 appends bytes to a file.
printf %s "$2" | base64 -d >>"$1"
