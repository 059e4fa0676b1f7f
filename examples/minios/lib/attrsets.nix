{ lib }:
rec {
  inherit (builtins)
    attrNames
    attrValues
    catAttrs
    getAttr
    hasAttr
    intersectAttrs
    isAttrs
    mapAttrs
    removeAttrs
    zipAttrsWith
    ;

  nameValuePair = name: value: { inherit name value; };
  optionalAttrs = cond: set: if cond then set else { };

  attrByPath =
    path: default: set:
    let
      n = builtins.length path;
      go =
        i: s:
        let
          name = builtins.elemAt path i;
        in
        if i == n then
          s
        else if isAttrs s && s ? ${name} then
          go (i + 1) s.${name}
        else
          default;
    in
    go 0 set;
  hasAttrByPath =
    path: set:
    path == [ ]
    || (
      isAttrs set
      && set ? ${builtins.head path}
      && hasAttrByPath (builtins.tail path) set.${builtins.head path}
    );
  getAttrFromPath =
    path: set:
    attrByPath path (abort "cannot find attribute `${lib.concatStringsSep "." path}'") set;
  setAttrByPath = path: value: builtins.foldl' (v: name: { ${name} = v; }) value (lib.reverseList path);

  attrVals = names: set: map (name: set.${name}) names;
  getAttrs = names: set: lib.genAttrs names (name: set.${name});
  filterAttrs =
    pred: set:
    removeAttrs set (builtins.filter (name: !pred name set.${name}) (attrNames set));
  filterAttrsRecursive =
    pred: set:
    mapAttrs (_: v: if isAttrs v then filterAttrsRecursive pred v else v) (filterAttrs pred set);
  partitionAttrs = pred: set: {
    right = filterAttrs pred set;
    wrong = filterAttrs (n: v: !pred n v) set;
  };

  mapAttrs' = f: set: builtins.listToAttrs (mapAttrsToList f set);
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  attrsToList = mapAttrsToList nameValuePair;
  concatMapAttrs = f: set: mergeAttrsList (mapAttrsToList f set);
  mergeAttrsList = builtins.foldl' (a: b: a // b) { };
  foldlAttrs = f: init: set: builtins.foldl' (acc: name: f acc name set.${name}) init (attrNames set);
  genAttrs = names: f: builtins.listToAttrs (map (name: nameValuePair name (f name)) names);
  genAttrs' = xs: f: builtins.listToAttrs (map f xs);
  mapAttrsRecursive = mapAttrsRecursiveCond (_: true);
  mapAttrsRecursiveCond =
    cond: f: set:
    let
      go =
        path:
        mapAttrs (
          name: v:
          if isAttrs v && cond v then go (path ++ [ name ]) v else f (path ++ [ name ]) v
        );
    in
    go [ ] set;
  collect =
    pred: v:
    if pred v then
      [ v ]
    else if isAttrs v then
      builtins.concatMap (collect pred) (attrValues v)
    else
      [ ];

  zipAttrs = zipAttrsWith (_: vs: vs);
  zipAttrsWithNames =
    names: f: sets:
    lib.genAttrs names (name: f name (catAttrs name sets));
  foldAttrs = f: nul: sets: mapAttrs (_: lib.foldr f nul) (zipAttrs sets);
  recursiveUpdate = recursiveUpdateUntil (_: a: b: !(isAttrs a && isAttrs b));
  recursiveUpdateUntil =
    stop: a: b:
    let
      go =
        path:
        zipAttrsWith (
          name: vs:
          let
            here = path ++ [ name ];
            left = builtins.head vs;
            right = builtins.elemAt vs 1;
          in
          if builtins.length vs == 1 then
            left
          else if stop here left right then
            right
          else
            go here [
              left
              right
            ]
        );
    in
    go
      [ ]
      [
        a
        b
      ];
  matchAttrs =
    pattern: set:
    builtins.all (
      name:
      set ? ${name}
      && (
        if isAttrs pattern.${name} then
          isAttrs set.${name} && matchAttrs pattern.${name} set.${name}
        else
          pattern.${name} == set.${name}
      )
    ) (attrNames pattern);
  overrideExisting = old: new: mapAttrs (name: v: new.${name} or v) old;
  unionOfDisjoint =
    a: b:
    let
      both = attrNames (intersectAttrs a b);
    in
    if both == [ ] then a // b else throw "sets share the attribute ${builtins.head both}";

  isDerivation = v: v.type or null == "derivation";
  # A store path given as a string becomes something with an outPath and a name.
  toDerivation =
    path:
    let
      storePath = builtins.storePath path;
    in
    {
      type = "derivation";
      name = lib.strings.storePathName storePath;
      outPath = storePath;
      outputs = [ "out" ];
      out = toDerivation path;
      outputName = "out";
    };
  getOutput = output: pkg: if pkg.outputSpecified or false then pkg else pkg.${output} or pkg.out or pkg;
  getBin = getOutput "bin";
  getLib = getOutput "lib";
  getDev = getOutput "dev";
  getMan = getOutput "man";
  recurseIntoAttrs = set: set // { recurseForDerivations = true; };
  dontRecurseIntoAttrs = set: set // { recurseForDerivations = false; };
}
