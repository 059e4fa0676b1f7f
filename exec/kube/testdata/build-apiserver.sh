#!/usr/bin/env bash
# Builds kube-apiserver from the Go module proxy: build-apiserver.sh DIR [VERSION]
# The program is DIR/kube-apiserver-VERSION. What is there already stays.
set -euo pipefail
dir=$1 version=${2:-1.34.1}
program=$dir/kube-apiserver-$version
if [ -x "$program" ]; then
  echo "$program"
  exit
fi
module=$dir/module-$version
mkdir -p "$module"
cd "$module"
export GOFLAGS=-mod=mod CGO_ENABLED=0
source=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
# Kubernetes replaces its own libraries by directories that its module does not
# hold; they are published as v0.34.1 for 1.34.1.
{
  printf 'module muster.test/kube\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\n' "$version"
  sed -n "s|^\t*\(replace \)\{0,1\}\(k8s.io/[a-z-]*\) => ./staging/.*|replace \2 => \2 v0.${version#*.}|p" "$source/go.mod"
} >go.mod
stamp=k8s.io/component-base/version
go build -trimpath -ldflags "-s -w -X $stamp.gitVersion=v$version -X $stamp.gitMajor=1 -X $stamp.gitMinor=$(cut -d. -f2 <<<"$version")" \
  -o "$program.new" k8s.io/kubernetes/cmd/kube-apiserver >&2
mv "$program.new" "$program"
echo "$program"
