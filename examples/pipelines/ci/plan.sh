#!/bin/sh
# Say what a deployment would change, and save exactly that: plan.json, with the state
# of the repository that it is for.
set -eu
muster plan --out plan.json >plan.txt || { cat plan.txt; exit 1; }
git rev-parse 'HEAD^{tree}' >plan.tree
cat plan.txt
