# muster's chores; `just` lists them.

_default:
    @just --list

# format, vet, staticcheck and all tests
check: lint test goldens

# what a reviewer would say first
lint:
    test -z "$(gofmt -l .)"
    go vet ./...
    go tool staticcheck ./...

# all tests, with real Nix and real sshd where this is Linux and root
test *args:
    go test -race -timeout 40m ./... {{args}}

# rewrite the golden files
update:
    go test ./schema ./compile ./compile/syntax ./exec ./cmd ./examples -update

# the golden files are what the code makes
goldens: update
    git diff --exit-code -- '*/testdata/*' 'examples/*.nix' exec/FAULTS.md

# all benchmarks
bench *args:
    go test -run '^$' -bench . -benchmem ./... {{args}}

# muster push against nix-copy-closure, in turns, on lab hosts (Linux, root)
bench-copy *args:
    go test ./cmd -run '^TestCopyBench$' -v -timeout 2h -copybench {{args}} | grep -v '^[=-]'

# muster eval against Nix, in turns, on the corpora in DIR: evaluator-bench and what its README says
bench-eval dir="/tmp/corp" nix="2.8=nix-instantiate" *args:
    go test ./cmd -run '^TestEvalBench$' -v -timeout 12h -evalbench {{dir}} -evalbench-nix {{nix}} {{args}} | grep -v '^[=-]'

# copying to hosts that run the Nix of later Debians, fetched and unpacked below DIR (amd64, root)
test-nix dir="/var/tmp/muster-nix":
    #!/usr/bin/env bash
    set -euo pipefail
    mirror=$(sed -n 's/^URIs: //p; s/^deb \([^ [][^ ]*\) .*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -1 || true)
    nix=
    for suite in trixie sid; do
      d={{dir}}/$suite
      if [ ! -x "$d/root/usr/bin/nix" ]; then
        rm -rf "$d" && mkdir -p "$d"/{root,apt/lists/partial,apt/archives/partial}
        : >"$d/apt/status"
        echo "deb $mirror $suite main" >"$d/apt/sources.list"
        apt=(apt-get -qq -o Dir::Etc::SourceList="$d/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$d/apt/lists"
          -o Dir::State::status="$d/apt/status" -o Dir::Cache="$d/apt" -o Dir::Cache::archives="$d/apt/archives" -o APT::Sandbox::User=root)
        "${apt[@]}" update
        "${apt[@]}" --yes --no-install-recommends --download-only install nix-bin
        for deb in "$d"/apt/archives/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$d/root" --keep-directory-symlink; done
      fi
      version=$("$d/root/usr/lib64/ld-linux-x86-64.so.2" --argv0 nix-store --library-path "$d/root/usr/lib/x86_64-linux-gnu" "$d/root/usr/bin/nix" --version | sed 's/.* //')
      nix=$nix,$version=$d/root
    done
    MUSTER_TEST_NIX=${nix#,} go test ./cmd -run '^TestOtherNixVersions$' -v -count 1

# random programs, regular expressions and derivations through the embedded evaluator and through real Nix
fuzz-eval n="100000" seed="1" nix="nix-instantiate":
    go test ./compile/eval -run 'GiveWhatNixGives$' -v -timeout 6h -fuzz-programs {{n}} -fuzz-regexes 10000 -fuzz-recipes 1000 -fuzz-seed {{seed}} -fuzz-nix {{nix}}

# the derivations of a Nix EXPRESSION, a set or list of them, byte for byte as Nix makes them; paths in it must be absolute
identity expression nix="nix-instantiate" workers="2":
    go test ./compile/eval -run '^TestDerivationsAreWhatNixMakes$/^given$' -v -count 1 -timeout 2h -identity '{{expression}}' -identity-nix {{nix}} -identity-workers {{workers}}

# 100 hosts give the same in 20 orders, by 1, 2, 4 and 8 goroutines, races looked for
fleet-order *args="-race":
    go test ./compile/eval -run 'Fleet|AcrossHosts' -v -count 1 -timeout 3h {{args}} -fleet-full

# three throw-away machines, deployed for real (Linux, root)
demo:
    go run ./cmd/muster demo

# every fuzz target for TIME each
fuzz time="1m":
    for pkg in $(go list ./...); do \
      for target in $(go test -list '^Fuzz' $pkg | grep '^Fuzz' || true); do \
        go test -run '^$' -fuzz "^$target\$" -fuzztime {{time}} $pkg || exit 1; \
      done; \
    done
