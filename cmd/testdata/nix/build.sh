# shellcheck shell=bash disable=SC2154,SC2086 # variables are those of the derivation
# What buildGoModule does, as far as muster's package goes.
set -euo pipefail
export HOME=$PWD
mkdir -p "$out/bin" && cp -r "$src" tree && chmod -R u+w tree && cd tree
for package in $subPackages; do
  go build -mod=vendor -trimpath -buildvcs=false -ldflags "$ldflags" -o "$out/bin/" "./$package"
done
installManPage() { install -D -m 644 -t "$out/share/man/man1" "$@"; }
installShellCompletion() {
  install -D -m 644 "$4" "$out/share/bash-completion/completions/$2.bash"
  install -D -m 644 "$6" "$out/share/zsh/site-functions/_$2"
  install -D -m 644 "$8" "$out/share/fish/vendor_completions.d/$2.fish"
}
eval "$postInstall"
