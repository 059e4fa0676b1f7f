# muster's chores; `just` lists them.

_default:
    @just --list

# lint, all tests, and whether the golden files are current
check: lint test goldens

# gofmt, vet, staticcheck, deadcode and shellcheck
lint:
    .ci/lint

# static binaries of the commit, for Linux and macOS on amd64 and arm64, with checksums and SBOMs, into DIR; --check builds them twice, and compares
release dir *args:
    .ci/release '{{dir}}' {{args}}

# the documentation as one page of HTML, and pictures of a session in a terminal, one of them moving, into DIR
docs dir:
    mkdir -p '{{dir}}'
    go test ./cmd -run '^TestDocsAreOnePage$' -docs '{{absolute_path(dir)}}' -count 1

# the licences of all modules that muster is linked of, into DIR
notices dir:
    .ci/notices '{{dir}}'

# all tests, with real Nix and real sshd where this is Linux and root
test *args:
    go test -race -timeout 60m ./... {{args}}

# muster install on a virtual machine, from an empty disk, killed at each stage (Linux, root; the packages qemu-system-x86, linux-image-cloud-amd64, extlinux, fdisk, dosfstools, kexec-tools, cryptsetup-bin, cpio, kmod, age, zstd)
test-install *args:
    #!/usr/bin/env bash
    set -euo pipefail
    kernels=(/boot/vmlinuz-*-cloud-amd64)
    [ -e "${kernels[-1]}" ] || { echo "there is no kernel: apt-get install linux-image-cloud-amd64" >&2; exit 1; }
    go test ./cmd -run '^TestInstallVirtualMachine$' -install-vm "${kernels[-1]#/boot/vmlinuz-}" -v -count 1 -timeout 60m {{args}}

# muster convert against the deployers' own evaluators and options, and over NIXPKGS (all of it) their example networks; TOOLS has checkouts
# called colmena, morph, nixops, deploy-rs and nixinate
test-convert tools nixpkgs="" *args="":
    go test ./compile/convert -run '^TestOptionsAreThoseOfTheDeployers$' -tools '{{tools}}' -count 1 {{args}}
    go test ./cmd -run '^TestConvert(Examples)?$' -tools '{{tools}}' -tools-nixpkgs '{{nixpkgs}}' -count 1 -timeout 1h {{args}}

# virtual machines that systemd boots: secrets after a real restart, after a power cut, and from a copy of the disk; and muster install --in-place on one with Debian (Linux, root; the packages qemu-system-x86, linux-image-cloud-amd64, e2fsprogs, kmod, cpio, debootstrap, age)
test-vm *args:
    #!/usr/bin/env bash
    set -euo pipefail
    kernels=(/boot/vmlinuz-*-cloud-amd64)
    [ -e "${kernels[-1]}" ] || { echo "there is no kernel: apt-get install linux-image-cloud-amd64" >&2; exit 1; }
    go test ./cmd -run '^Test(Reboot|InPlace)VirtualMachine$' -reboot-vm "${kernels[-1]#/boot/vmlinuz-}" -v -count 1 -timeout 60m {{args}}

# clusters of all sizes over NIXPKGS, a tree with all of it, by muster's evaluator and by Nix's: of the distributions that its modules can hold (k3s and RKE2 from 24.11 on)
test-kluster nixpkgs *args="":
    go test ./cmd -run '^TestClusters(AreThoseOfTheGuides)?$' -kluster-nixpkgs '{{absolute_path(nixpkgs)}}' -v -count 1 -timeout 1h {{args}} | grep -v '^=== '

# pushes of secrets cut by a loss of power, N in each test, and N secrets of random content besides the odd ones (Linux, root)
test-secrets n="100" *args="":
    go test ./cmd -run '^Test(Secrets|OddSecrets|HostKeyOpens)' -powercuts {{n}} -oddsecrets {{n}} -count 1 -timeout 2h {{args}}

# the tests of exec with real hosts on machines that systemd boots (Linux, root, debootstrap, systemd-container)
test-systemd *args:
    go test ./exec -run '^Test(Faults|Chaos|RebootIntoANewKernel|ApplyIsDeploy|DeployThroughSudo)$' -systemd -count 1 -timeout 40m {{args}}
    go test ./cmd -run '^TestScripts$/^(deploy_three|rollback_last)$' -systemd -count 1 {{args}}
    go test ./cmd -run '^TestNoSecretIsAnywhereElse$' -systemd -count 1 -timeout 40m {{args}}

# the tests of meshes in the lab with six rotations of keys, which CI makes one of, and on hosts that systemd boots (Linux, root, wireguard-go, wireguard-tools, iptables, debootstrap, systemd-container)
test-mesh *args:
    go test ./cmd -run '^TestMesh' -mesh-rounds 6 -systemd -v -count 1 -timeout 40m {{args}}

# hosts that systemd boots pull releases from a server with PUT, then from a bucket of S3; push and pull at once, RUNS times with mishaps (Linux, root, debootstrap, systemd-container)
test-pull hosts="12" runs="100" dir="/var/tmp/muster-s3":
    test -x '{{dir}}/versitygw' || GOBIN='{{dir}}' go install github.com/versity/versitygw/cmd/versitygw@latest
    go test ./cmd -run '^TestPull$' -systemd -pull-hosts {{hosts}} -v -count 1 -timeout 40m
    go test ./cmd -run '^TestPull$' -systemd -pull-hosts {{hosts}} -pull-s3 '{{dir}}/versitygw' -v -count 1 -timeout 40m
    go test ./exec/objectstore -s3 '{{dir}}/versitygw' -count 1
    go test ./exec/pull -run '^TestTheLoadIsLinear$' -agents 1000 -v -count 1 -timeout 40m
    go test ./exec -run '^TestChaos$' -chaos-pull -chaos {{runs}} -chaos-fields 3 -v -count 1 -timeout 3h | grep -a -v '^=== '

# the tests of connections and all faults through the system's ssh, which CI makes ten of (Linux, root)
test-openssh *args:
    go test ./exec/remote -openssh -unusual-mb 200 -count 1 {{args}}
    go test ./exec -run '^TestFaults$' -openssh -count 1 -timeout 40m {{args}}

# N runs of faults at random on FIELDS times five hosts that systemd boots, each run a line (Linux, root); 300 on 5 fields take half an hour to an hour
chaos n="300" fields="5" seed="1" *args="":
    go test ./exec -run '^TestChaos$' -systemd -chaos {{n}} -chaos-fields {{fields}} -seed {{seed}} -v -count 1 -timeout 3h {{args}} | grep -a -v '^=== '

# the changes of units that the plan foretells, one by one, on a machine that systemd boots (Linux, root)
test-foretell *args:
    go test ./exec -run '^TestPlanForetells$' -foretell -v -count 1 -timeout 40m {{args}}

# muster provision with a real OpenTofu and a provider of lab machines, both built here once (Linux, root); killed again and again
test-provision *args:
    .ci/provision-tools /var/tmp/muster-tofu
    go test ./cmd -run '^TestProvision' -provision-tools /var/tmp/muster-tofu -v -count 1 -timeout 60m {{args}}

# muster provision with a real OpenTofu that makes a virtual machine, which is installed from an empty disk, killed on the way, and made anew (Linux, root; the packages of test-install)
test-provision-vm *args:
    #!/usr/bin/env bash
    set -euo pipefail
    .ci/provision-tools /var/tmp/muster-tofu
    kernels=(/boot/vmlinuz-*-cloud-amd64)
    [ -e "${kernels[-1]}" ] || { echo "there is no kernel: apt-get install linux-image-cloud-amd64" >&2; exit 1; }
    go test ./cmd -run '^TestProvisionThenInstallVirtualMachine$' -install-vm "${kernels[-1]#/boot/vmlinuz-}" -provision-tools /var/tmp/muster-tofu -v -count 1 -timeout 90m {{args}}

# rewrite the golden files
update:
    go test ./schema ./compile ./compile/syntax ./compile/tofu ./exec ./exec/telemetry ./exec/remote/sshconfig ./cmd ./cmd/ui ./cmd/ui/graph ./examples -update

# the golden files are what the code makes
goldens: update
    git diff --exit-code -- '*/testdata/*' 'examples/*.nix' exec/FAULTS.md exec/SSH.md exec/events.schema.json

# all benchmarks
bench *args:
    go test -run '^$' -bench . -benchmem ./... {{args}}

# muster push against nix-copy-closure, in turns, on lab hosts (Linux, root)
bench-copy *args:
    go test ./cmd -run '^TestCopyBench$' -v -timeout 2h -copybench {{args}} | grep -v '^[=-]'

# Without colmena, the comparison with it is left out. A release build of its source is
# looked for where test-tools has the checkout, or where -deploybench-colmena says:
# git clone SOURCE /var/tmp/muster-tools/colmena, and cargo build --release --locked in it (Rust 1.85).
#
# muster deploy against the shortest script and against colmena, in turns, on fresh lab hosts (Linux, root)
bench-deploy *args:
    go test ./cmd -run '^TestDeployBench$' -v -timeout 2h -deploybench {{args}} | grep -v '^[=-]'

# muster deploy --ssh openssh with nothing to do against ssh HOST true, in turns, on 50 lab hosts (Linux, root)
bench-openssh *args:
    go test ./cmd -run '^TestOpenSSHBench$' -v -timeout 2h -opensshbench {{args}} | grep -v '^[=-]'

# muster secrets push against one scp for each secret and against colmena's upload, in turns, on lab hosts (Linux, root)
bench-secrets *args:
    go test ./cmd -run '^TestSecretsBench$' -v -timeout 3h -secretsbench {{args}} | grep -v '^[=-]'

# 30 lab hosts behind one uplink of 100 Mbit/s: 300 MB to one, to all, and to all with peers (Linux, root)
bench-peers *args:
    go test ./exec -run '^TestPeersBench$' -v -timeout 2h -peersbench {{args}} | grep -v '^[=-]'

# the systems of N hosts with shared derivations on two lab builders: as one graph, host after host, and by nix-store (Linux, root)
bench-builds n="100" *args:
    go test ./exec/nixcmd -run '^TestGraphBench$' -v -timeout 2h -graphbench {{n}} {{args}} | grep -v '^[=-]\|^    '

# muster eval against Nix, in turns, on the corpora in DIR: evaluator-bench and what its README says
bench-eval dir="/tmp/corp" nix="2.8=nix-instantiate" *args:
    go test ./cmd -run '^TestEvalBench$' -v -timeout 12h -evalbench {{dir}} -evalbench-nix {{nix}} {{args}} | grep -v '^[=-]'

# muster eval against nix eval, in turns, on a flake whose hosts share a nixpkgs: for the first time, again, one host edited; DIR has the Nix 2.34 that test-nix unpacks
bench-flake dir="/var/tmp/muster-nix" *args="":
    #!/usr/bin/env bash
    set -euo pipefail
    export MUSTER_NIX_ROOT={{dir}}/sid/root
    go test ./cmd -run '^TestFlakeBench$' -v -timeout 3h -flakebench "$PWD/exec/evaluate/testdata/nix-of-root.sh" {{args}} | grep -v '^[=-]'

# evaluations that end at a limit, beside good hosts: all of cmd/testdata/bombs.txt
bombs *args:
    go test ./cmd -run '^TestBombs$' -bombs -v -count 1 -timeout 60m {{args}}

# copying to hosts that run the Nix of later Debians, builds by it and on builders that have it, and an upgrade of one from a flake, fetched and unpacked below DIR (amd64, root)
test-nix dir="/var/tmp/muster-nix":
    #!/usr/bin/env bash
    set -euo pipefail
    mirror=$(sed -n 's/^URIs: //p; s/^deb \([^ [][^ ]*\) .*/\1/p' /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null | head -1 || true)
    nix=
    for suite in bullseye trixie sid; do
      d={{dir}}/$suite
      if [ ! -x "$d/root/usr/bin/nix" ]; then
        rm -rf "$d" && mkdir -p "$d"/{root,apt/lists/partial,apt/archives/partial}
        : >"$d/apt/status"
        echo "deb $mirror $suite main" >"$d/apt/sources.list"
        apt=(apt-get -qq -o Dir::Etc::SourceList="$d/apt/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$d/apt/lists"
          -o Dir::State::status="$d/apt/status" -o Dir::Cache="$d/apt" -o Dir::Cache::archives="$d/apt/archives" -o APT::Sandbox::User=root)
        "${apt[@]}" update
        "${apt[@]}" --yes --no-install-recommends --download-only install nix-bin
        # Before bookworm, packages have /lib beside /usr/lib.
        for dir in bin sbin lib lib64; do mkdir -p "$d/root/usr/$dir" && ln -sfn usr/$dir "$d/root/$dir"; done
        for deb in "$d"/apt/archives/*.deb; do dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$d/root" --keep-directory-symlink; done
        loader=("$d"/root/usr/lib/x86_64-linux-gnu/ld-*.so*)
        ln -sfn "../lib/x86_64-linux-gnu/${loader[0]##*/}" "$d/root/usr/lib64/ld-linux-x86-64.so.2"
      fi
      libs=$d/root/usr/lib/x86_64-linux-gnu:$d/root/usr/lib/nix
      version=$("$d/root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libs" "$d/root/usr/bin/nix-store" --version | sed 's/.* //')
      nix=$nix,$version=$d/root
    done
    MUSTER_TEST_NIX=${nix#,} go test ./cmd -run '^(TestOtherNixVersions|TestScripts)$/^([0-9.]*|upgrade_flake)$' -v -count 1
    MUSTER_TEST_NIX=${nix#,} go test ./exec/nixcmd -run '^TestGraphsOfOtherNixVersions$' -v -count 1 -timeout 30m
    go test -c -o {{dir}}/cmd.test ./cmd
    for suite in trixie sid; do (cd cmd && ../exec/nixcmd/testdata/other-nix.sh {{dir}}/$suite/root {{dir}}/cmd.test -test.run '^TestScripts$/^(graph_.*|builders_deploy|build_push|cfg_build_host|deploy_build_on_target)$' -test.v); done

# rollouts through a real Kubernetes API server, which is built below DIR the first time (20 minutes), and real etcd; and N rolling upgrades of 3 masters and 4 nodes with faults at random (the package etcd-server)
test-kube n="100" seed="1" dir="/var/tmp/muster-kube" *args="":
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p '{{dir}}'
    api=$(exec/kube/testdata/build-apiserver.sh '{{absolute_path(dir)}}')
    go test ./exec/kube -apiserver "$api" -v -count 1 -timeout 30m {{args}}
    go test ./exec -run '^Test(NodesAreDrainedAndRestarted|MusterIsKilledWhileANodeBoots|ANodeThatNeverComesBackStaysCordoned)$' -apiserver "$api" -v -count 1 -timeout 30m {{args}}
    go test ./exec -run '^TestClusterChaos$' -apiserver "$api" -cluster-chaos '{{n}}' -cluster-seed '{{seed}}' -v -count 1 -timeout 5h {{args}}

# the page of muster report in Chromium, in light and dark, narrow and wide: accessible (axe-core, of npm), 1,000 hosts open in 2 s; pictures go to DIR (npm, and the package chromium)
test-report dir="/tmp/muster-report" *args="":
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p '{{dir}}'
    [ -e '{{dir}}/package/axe.min.js' ] || (cd '{{dir}}' && tar -xzf "$(npm pack --silent axe-core@4 | tail -1)")
    go test ./cmd/ui/report -axe '{{absolute_path(dir)}}/package/axe.min.js' -screenshots '{{absolute_path(dir)}}' -timed -v -count 1 -timeout 30m {{args}}

# inventories in the language servers of editors, which npm installs in DIR: taplo, yaml-language-server and VS Code's service for JSON; that of CUE
# is tried by CI as well
test-editors dir="/var/tmp/muster-editors":
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p '{{dir}}'
    npm install --silent --no-audit --no-fund --prefix '{{dir}}' @taplo/cli@0.7 yaml-language-server@1 vscode-json-languageservice@5
    go test ./schema -run '^Test(CUELanguageServer|Taplo|YAMLLanguageServer|JSONLanguageService)$' -editors '{{absolute_path(dir)}}/node_modules' -v -count 1

# the values of the flakes in compile/flake/testdata/flakes, written anew from the Nix 2.34 that test-nix has unpacked below DIR
record-flakes dir="/var/tmp/muster-nix" *args="":
    #!/usr/bin/env bash
    set -euo pipefail
    store=$(mktemp -d) && trap 'chmod -R u+w "$store" && rm -rf "$store"' EXIT
    GOCACHE=$(go env GOCACHE) # before another XDG_CACHE_HOME
    export GOCACHE NIX_REMOTE=$store/root XDG_CACHE_HOME=$store/cache MUSTER_NIX_ROOT={{dir}}/sid/root
    export NIX_CONFIG=$'flake-registry =\nsubstituters =\nbuild-users-group =\nsandbox = false'
    go test ./exec/evaluate -run '^TestFlakesGiveWhatNixGives$' -count 1 -timeout 30m -record-flakes "$PWD/exec/evaluate/testdata/nix-of-root.sh" {{args}}

# what Nix 2.34 says of the programs in compile/eval/testdata/errors, written anew; NIX is its nix-instantiate, whose
# settings are the default ones
record-errors nix *args="":
    go test ./compile/eval -run '^Test(ErrorsAreWhereNixHasThem|OddTextsAreWhatNixMakesOfThem)$' -count 1 -timeout 60m -record-errors {{absolute_path(nix)}} {{args}}

# the public flakes of exec/evaluate/testdata/public.txt, whose git directories are in MIRRORS as OWNER+NAME/repo, by muster and by
# the Nix 2.34 that test-nix has unpacked below DIR (Linux, root)
compare-public mirrors dir="/var/tmp/muster-nix" *args="":
    #!/usr/bin/env bash
    set -euo pipefail
    store=$(mktemp -d) && trap 'chmod -R u+w "$store" && rm -rf "$store"' EXIT
    GOCACHE=$(go env GOCACHE) # before another XDG_CACHE_HOME
    export GOCACHE XDG_CACHE_HOME=$store/cache MUSTER_NIX_ROOT={{dir}}/sid/root
    export NIX_CONFIG=$'flake-registry =\nsubstituters =\nbuild-users-group =\nsandbox = false'
    go test -c -o "$store/public.test" ./exec/evaluate && cd exec/evaluate && mkdir -p "$store/nix" /nix
    # Nix has a store of its own at /nix, as flakes read what others have put there.
    unshare -m bash -c 'mount --bind "$0/nix" /nix && exec "$0/public.test" "$@"' "$store" -test.run '^TestPublicFlakes$' -test.v -test.timeout 3h \
      -public-mirrors '{{absolute_path(mirrors)}}' -public-dir "$store/trees" -public-nix "$PWD/testdata/nix-of-root.sh" {{args}}

# the public fleets of exec/evaluate/testdata/fleetsnewest.txt, whose git directories are in MIRRORS as OWNER+NAME/repo, converted over a stand-in for
# nixpkgs; or those of fleets.txt over NIXPKGS, a tree with all of it of about July 2024
convert-public mirrors nixpkgs="" *args="":
    #!/usr/bin/env bash
    set -euo pipefail
    made=$(mktemp -d) && trap 'chmod -R u+w "$made" && rm -rf "$made"' EXIT
    go build -o "$made/muster" ./cmd/muster
    go test ./exec/evaluate -run '^TestPublicFleets$' -v -count 1 -timeout 6h -public-mirrors '{{absolute_path(mirrors)}}' -public-nixpkgs '{{ if nixpkgs == "" { "" } else { absolute_path(nixpkgs) } }}' \
      -public-dir "$made/trees" -public-muster "$made/muster" {{args}}

# what is written for other tools, read by the tools themselves: morph builds (as
# root), colmena, NixOps 1.7 and 2 and flakes evaluate, nixfmt changes nothing.
# DIR holds checkouts of their sources, named morph, colmena, nixops-1.7,
# nixops-2 and nixfmt (1.4); NIX is a nix of 2.26 or newer.
test-tools dir="/var/tmp/muster-tools" nix="nix":
    #!/usr/bin/env bash
    set -euo pipefail
    for tool in morph colmena nixops-1.7 nixops-2 nixfmt; do
      [ -d {{dir}}/$tool ] || { echo "{{dir}}/$tool: no checkout of $tool" >&2; exit 1; }
    done
    if [ ! -x {{dir}}/nixfmt-bin ]; then
      apt-get install -y --no-install-recommends ghc libghc-{megaparsec,parser-combinators,scientific,pretty-simple,cmdargs,file-embed,safe-exceptions}-dev
      # Without cabal, which would fetch what Debian has; Debian 12's base is a little older.
      rm -rf {{dir}}/nixfmt-build && cp -r {{dir}}/nixfmt {{dir}}/nixfmt-build && cd {{dir}}/nixfmt-build
      printf 'module Paths_nixfmt (version) where\nimport Data.Version\nversion :: Version\nversion = makeVersion [1, 4, 0]\n' >main/Paths_nixfmt.hs
      sed -i 's/^import Control.Applicative (asum, /import Data.Foldable (asum)\nimport Control.Applicative (/' src/Nixfmt/Predoc.hs
      ghc --make -v0 -isrc -imain -XHaskell2010 -XPackageImports -XTypeFamilies -XNoMonoLocalBinds -outputdir ../nixfmt-objects -o ../nixfmt-bin main/Main.hs
      cd {{justfile_directory()}}
    fi
    MUSTER_MORPH={{dir}}/morph MUSTER_COLMENA={{dir}}/colmena MUSTER_NIXOPS={{dir}}/nixops-2 MUSTER_NIXOPS1={{dir}}/nixops-1.7 \
      MUSTER_NIXFMT={{dir}}/nixfmt-bin MUSTER_FLAKE={{nix}} \
      go test ./compile -run 'Morph|Colmena|NixOps|Flake|Nixfmt' -v -count 1 -timeout 1h

# the flake that is written, deployed by colmena itself (DIR/colmena, built) to lab hosts (Linux, root)
test-colmena dir="/var/tmp/muster-tools":
    PATH="$PATH:{{dir}}/colmena/target/release" go test ./cmd -run '^TestScripts$/^flake_colmena$' -v -count 1

# the flake that is written, switched to by nixos-rebuild of a checkout of NIXPKGS (24.05 or older; of a newer one, by nixos-rebuild-ng) on lab hosts (Linux, root)
test-nixos-rebuild nixpkgs:
    #!/usr/bin/env bash
    set -euo pipefail
    bin=$(mktemp -d) && trap 'rm -rf "$bin"' EXIT
    cd '{{nixpkgs}}/pkgs'
    old=os-specific/linux/nixos-rebuild/nixos-rebuild.sh new=by-name/ni/nixos-rebuild-ng/src
    [ ! -e $old ] || sed 's|@runtimeShell@|/bin/bash|; s|@nix@/bin|/usr/bin|; s|@path@|/usr/bin|; s|@nix_[a-z0-9_]*@||' $old >"$bin/nixos-rebuild"
    [ ! -e $new ] || printf '#!/bin/sh\nPYTHONPATH=%s exec python3 -m nixos_rebuild "$@"\n' "$PWD/$new" >"$bin/nixos-rebuild-ng"
    [ -e "$bin/nixos-rebuild" ] || sed 's/"$@"/--no-reexec &/' "$bin/nixos-rebuild-ng" >"$bin/nixos-rebuild"
    chmod +x "$bin"/*
    cd '{{justfile_directory()}}'
    PATH=$bin:$PATH go test ./cmd -run '^TestScripts$/^flake_nixos_rebuild$' -v -count 1

# the flake that is written for deploy-rs, deployed by deploy-rs itself to a lab host (Linux, root); TOOLS has checkouts called deploy-rs
# (with cargo build --release --locked made in it) and flake-utils
test-deploy-rs tools:
    #!/usr/bin/env bash
    set -euo pipefail
    tools='{{absolute_path(tools)}}' made=$(mktemp -d) && trap 'rm -rf "$made"' EXIT
    # deploy-rs's own flake, over minios with the programs that cargo has built.
    mkdir "$made/deploy-rs" "$made/nixpkgs" && cp -r "$tools/deploy-rs"/{flake.nix,flake.lock,interface.json,Cargo.lock,Cargo.toml,src} "$made/deploy-rs"
    cp -r examples/minios "$tools/deploy-rs/target/release/activate" cmd/testdata/deploy-rs/*.nix "$made/nixpkgs"
    PATH=$tools/deploy-rs/target/release:$PATH MUSTER_DEPLOY_RS=$made MUSTER_FLAKE_UTILS=$tools/flake-utils \
      go test ./cmd -run '^TestScripts$/^flake_deploy_rs$' -v -count 1

# the profile that go build compiles muster by (cmd/muster/default.pgo), of the programs in DIR/evaluator-bench
profile dir:
    go test ./compile/eval -run '^$' -bench Programs -benchtime 5x -bench-programs '{{absolute_path(dir)}}/evaluator-bench/*.nix' -cpuprofile /tmp/muster-profile -o /tmp/muster-profile.test
    go tool pprof -proto /tmp/muster-profile.test /tmp/muster-profile >cmd/muster/default.pgo

# random programs, regular expressions and derivations through the embedded evaluator and through real Nix
fuzz-eval n="100000" seed="1" nix="nix-instantiate":
    go test ./compile/eval -run 'GiveWhatNixGives$' -v -timeout 6h -fuzz-programs {{n}} -fuzz-regexes 10000 -fuzz-derivations 1000 -fuzz-seed {{seed}} -fuzz-nix {{nix}}

# the derivations of a Nix EXPRESSION, a set or list of them, byte for byte as Nix makes them; paths in it must be absolute
identity expression nix="nix-instantiate" workers="2":
    go test ./compile/eval -run '^TestDerivationsAreWhatNixMakes$/^given$' -v -count 1 -timeout 2h -identity '{{expression}}' -identity-nix {{nix}} -identity-workers {{workers}}

# 100 hosts give the same in 20 orders, by 1, 2, 4 and 8 goroutines, races looked for
fleet-order *args="-race":
    go test ./compile/eval -run 'Fleet|AcrossHosts' -v -count 1 -timeout 3h {{args}} -fleet-full

# builds muster without symbols and C, and installs it with its manual and completions
install prefix="/usr/local":
    CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o {{prefix}}/bin/muster ./cmd/muster
    {{prefix}}/bin/muster man-pages {{prefix}}/share/man/man1
    mkdir -p {{prefix}}/share/bash-completion/completions {{prefix}}/share/zsh/site-functions {{prefix}}/share/fish/vendor_completions.d
    {{prefix}}/bin/muster completion bash >{{prefix}}/share/bash-completion/completions/muster
    {{prefix}}/bin/muster completion zsh >{{prefix}}/share/zsh/site-functions/_muster
    {{prefix}}/bin/muster completion fish >{{prefix}}/share/fish/vendor_completions.d/muster.fish

# three throw-away machines, deployed for real (Linux, root)
demo:
    go run ./cmd/muster demo

# N changed archives, each refused or imported into a real store and verified; imports killed at KILLS moments
attack-archives n="20000" seed="1" kills="30":
    go test ./exec/archive -run 'Mutations|Killed|FullDisk|AnotherUser|Flipped' -v -count 1 -timeout 2h -mutations {{n}} -mutation-seed {{seed}} -kills {{kills}} -flips 2000 | grep -v '^=== \|--- PASS.*/'

# N changed plans and N changed journals, each refused or harmless
attack-journals n="20000" seed="1":
    go test ./exec -run '^TestMutations' -v -count 1 -timeout 1h -mutations {{n}} -mutation-seed {{seed}} | grep -v '^=== '

# N changed files of settings of each kind: nix.conf, ssh_config, known_hosts
attack-settings n="20000" seed="1":
    go test ./exec/remote -run MutationsOfSettings -v -count 1 -timeout 2h -mutations {{n}} -mutation-seed {{seed}}

# N configurations made at random, each read as the SSH program reads it (ssh -G), or refused as by it
attack-ssh n="20000" seed="1" ssh="ssh":
    go test ./exec/remote/sshconfig -run '^TestGeneratedConfigurations$' -v -count 1 -timeout 3h -generated {{n}} -generated-seed {{seed}} -ssh {{ssh}}

# what a newer OpenSSH, fetched from Debian trixie and unpacked below DIR, says of configurations and of servers (amd64, root)
test-ssh dir="/var/tmp/muster-ssh" n="2000" seed="1":
    exec/remote/testdata/newer-openssh.sh '{{dir}}'
    go test ./exec/remote/sshconfig -v -count 1 -timeout 3h -generated {{n}} -generated-seed {{seed}} -ssh '{{absolute_path(dir)}}/ssh'
    go test ./exec/remote -run '^TestLetInAsBySSH$' -v -count 1 -timeout 1h -ssh '{{absolute_path(dir)}}/ssh' -sshd '{{absolute_path(dir)}}/sshd'

# all fuzz targets in turn, for MINUTES together; what they find stays in testdata/fuzz
fuzz minutes:
    .ci/fuzz '{{minutes}}'
