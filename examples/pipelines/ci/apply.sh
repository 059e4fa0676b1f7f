#!/bin/sh
# Carry out the plan that was approved, and no other: the repository must be what it was
# planned for, and a host that has moved on since is left alone.
set -eu
planned=$(cat plan.tree)
here=$(git rev-parse 'HEAD^{tree}')
if [ "$planned" != "$here" ]; then
  echo "apply: the plan is for the tree $planned, and this is $here: plan again" >&2
  exit 1
fi
# MUSTER_HOOK, where it is set, is told as well.
if [ -n "${MUSTER_OTLP:-}" ]; then
  exec muster apply plan.json --metrics muster.prom --otlp "$MUSTER_OTLP"
fi
exec muster apply plan.json --metrics muster.prom
