#!/bin/sh
# Check the inventory. The report is for the forge: SARIF.
set -eu
status=0
muster vet --strict --format sarif >vet.sarif || status=$?
[ "$status" -eq 0 ] || muster vet --strict || true # for people, in the log
exit "$status"
