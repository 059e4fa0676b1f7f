# muster, for nixpkgs: callPackage ./package.nix { }. flake.nix does so.
{
  lib,
  buildGoModule,
  installShellFiles,
  stdenv,
}:
buildGoModule {
  pname = "muster";
  version = "0-unstable";
  src = lib.cleanSource ../..;

  # What `go mod vendor` makes of go.sum. A test keeps it right.
  vendorHash = "sha256-vbs49ACzEBgLPIXVNIo6OdWiB5MfLtKJLjlqJsNtgL8=";
  subPackages = [ "cmd/muster" ];
  env.CGO_ENABLED = 0;
  ldflags = [
    "-s"
    "-w"
  ];
  # The tests start machines with their own networks, which takes root.
  doCheck = false;

  nativeBuildInputs = [ installShellFiles ];
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    $out/bin/muster man-pages man
    installManPage man/*.1
    for shell in bash zsh fish; do
      $out/bin/muster completion $shell >muster.$shell
    done
    installShellCompletion --cmd muster --bash muster.bash --zsh muster.zsh --fish muster.fish
  '';

  meta = {
    description = "Deploys a fleet of NixOS machines from a typed inventory";
    mainProgram = "muster";
    platforms = lib.platforms.linux ++ lib.platforms.darwin;
  };
}
