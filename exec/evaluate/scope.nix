# What expressions over a fleet see, made of its hosts by name.
nodes: rec {
  inherit nodes;
  inherit ((builtins.head (builtins.attrValues nodes))) pkgs;
  inherit (pkgs) lib;
}
