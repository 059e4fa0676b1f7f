# Written by muster compile from hosts.cue; edit that instead.
let
  nixpkgs = builtins.fetchTarball {
    url = "https://github.com/NixOS/nixpkgs/archive/0123456789abcdef0123456789abcdef01234567.tar.gz";
    sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  };
in
{
  network = {
    description = "one of everything";
    lib = import (nixpkgs + "/lib");
    evalConfig = nixpkgs + "/nixos/lib/eval-config.nix";
    inherit (import nixpkgs { system = "x86_64-linux"; }) runCommand;
  };

  defaults = ./defaults.nix;

  vps = ./hosts/vps.nix;
  db = ./hosts/db.nix;
}
