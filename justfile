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
    go test -race -timeout 30m ./... {{args}}

# rewrite the golden files
update:
    go test ./schema ./compile/... ./cmd -update

# the golden files are what the code makes
goldens: update
    git diff --exit-code -- '*/testdata/*'

# all benchmarks
bench *args:
    go test -run '^$' -bench . -benchmem ./... {{args}}

# muster push against nix-copy-closure, in turns, on lab hosts (Linux, root)
bench-copy *args:
    go test ./cmd -run '^TestCopyBench$' -v -timeout 2h -copybench {{args}} | grep -v '^[=-]'

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
