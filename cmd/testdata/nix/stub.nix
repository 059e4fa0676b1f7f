# As much of nixpkgs as cmd/muster/package.nix takes, to build muster with the Go of this
# machine. `arguments` are what the package gives to buildGoModule; `package` is built from
# a tree with vendor/ in it.
{
  package ? ../../muster/package.nix,
  src ? null,
  path ? "",
  cache ? "",
}:
let
  platforms = {
    linux = [ "x86_64-linux" ];
    darwin = [ "aarch64-darwin" ];
  };
  lib = {
    inherit platforms;
    cleanSource = p: p;
    optionalString = c: s: if c then s else "";
  };
  stdenv = {
    buildPlatform.canExecute = _: true;
    hostPlatform = "x86_64-linux";
  };
  call = buildGoModule: import package {
    inherit lib buildGoModule stdenv;
    installShellFiles = "installShellFiles";
  };
in
{
  arguments = builtins.removeAttrs (call (a: a)) [ "src" ];
  package = call (
    a:
    derivation {
      name = "${a.pname}-${a.version}";
      system = builtins.currentSystem;
      builder = "/bin/bash";
      args = [ ./build.sh ];
      inherit src;
      inherit (a.env) CGO_ENABLED;
      inherit (a) postInstall ldflags subPackages;
      PATH = path;
      GOCACHE = cache;
    }
  );
}
