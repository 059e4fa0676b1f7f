# What expressions over a fleet see, made of its hosts by name.
nodes: rec {
  inherit nodes;
  inherit
    (
      if nodes == { } then
        throw "pkgs: no host of the inventory is NixOS"
      else
        builtins.head (builtins.attrValues nodes)
    )
    pkgs
    ;
  inherit (pkgs) lib;
}
