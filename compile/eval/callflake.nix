# The value of a flake. lock is the content of flake.lock; fetched has the trees
# that were fetched while it was resolved, by node, as { sourceInfo, dir }; fetch
# fetches what a node is locked to.
lock: fetched: fetch:

let
  # A node is named by its key or by the path to it from the root.
  keyOf = name: if builtins.isList name then builtins.foldl' (key: input: keyOf lock.nodes.${key}.inputs.${input}) lock.root name else name;

  nodes = builtins.mapAttrs (key: node: let
    known = fetched ? ${key};
    relative = node.locked.type or null == "path" && builtins.substring 0 1 node.locked.path != "/";
    parent = nodes.${keyOf node.parent};

    sourceInfo =
      if known then
        fetched.${key}.sourceInfo
      else if relative then
        parent.sourceInfo
      else
        fetch (builtins.removeAttrs node.locked [ "dir" ]);

    below = dir: if dir == "" then "" else "/" + dir;
    tree = if relative && !known then parent.outPath + below node.locked.path else sourceInfo.outPath;
    outPath = tree + below (fetched.${key}.dir or node.locked.dir or "");

    flake = import (outPath + "/flake.nix");
    inputs = builtins.mapAttrs (_: name: nodes.${keyOf name}.value) (node.inputs or { });
    outputs = flake.outputs (inputs // { self = value; });

    value =
      if node.flake or true then
        assert builtins.isFunction flake.outputs;
        outputs // sourceInfo // { inherit outPath inputs outputs sourceInfo; _type = "flake"; }
      else
        sourceInfo // { inherit sourceInfo outPath; };
  in { inherit value outPath sourceInfo; }) lock.nodes;
in
nodes.${lock.root}.value
