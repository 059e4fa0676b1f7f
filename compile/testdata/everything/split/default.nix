# Written by muster compile from hosts.cue; edit that instead.
{
  network = {
    description = "one of everything";
    enableRollback = true;
    nixpkgs = builtins.fetchTarball {
      url = "https://github.com/NixOS/nixpkgs/archive/0123456789abcdef0123456789abcdef01234567.tar.gz";
      sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    };
  };

  defaults = ./defaults.nix;

  vps = ./hosts/vps.nix;
  db = ./hosts/db.nix;
}
