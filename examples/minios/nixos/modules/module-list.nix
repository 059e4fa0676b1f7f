# Every module of a system, in the order of reading.
[
  ./misc/assertions.nix
  ./misc/nixpkgs.nix
  ./misc/version.nix
  ./system/toplevel.nix
  ./system/activation.nix
  ./system/etc.nix
  ./system/systemd.nix
  ./system/boot.nix
  ./config/networking.nix
  ./config/filesystems.nix
  ./config/users.nix
  ./config/environment.nix
]
