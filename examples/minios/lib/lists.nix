{ lib }:
rec {
  inherit (builtins)
    all
    any
    concatLists
    concatMap
    elem
    elemAt
    filter
    foldl'
    genList
    groupBy
    head
    isList
    length
    listToAttrs
    map
    partition
    sort
    tail
    ;

  singleton = x: [ x ];
  toList = x: if isList x then x else [ x ];
  optional = cond: x: if cond then [ x ] else [ ];
  optionals = cond: xs: if cond then xs else [ ];
  forEach = xs: f: map f xs;

  foldr =
    f: nul: xs:
    let
      n = length xs;
      go = i: if i == n then nul else f (elemAt xs i) (go (i + 1));
    in
    go 0;
  fold = foldr;
  foldl = foldl';

  imap0 = f: xs: genList (i: f i (elemAt xs i)) (length xs);
  imap1 = f: xs: genList (i: f (i + 1) (elemAt xs i)) (length xs);
  flatten = x: if isList x then concatMap flatten x else [ x ];
  remove = x: filter (y: y != x);
  count = pred: xs: length (filter pred xs);
  findFirst =
    pred: default: xs:
    let
      found = filter pred xs;
    in
    if found == [ ] then default else head found;
  findSingle =
    pred: default: multiple: xs:
    let
      found = filter pred xs;
      n = length found;
    in
    if n == 0 then
      default
    else if n > 1 then
      multiple
    else
      head found;

  range = first: last: if first > last then [ ] else genList (i: first + i) (last - first + 1);
  replicate = n: x: genList (_: x) n;
  reverseList =
    xs:
    let
      n = length xs;
    in
    genList (i: elemAt xs (n - i - 1)) n;
  sortOn = key: sort (a: b: key a < key b);
  naturalSort = sort (a: b: builtins.compareVersions a b < 0);

  sublist =
    start: count: xs:
    let
      n = lib.max 0 (lib.min count (length xs - start));
    in
    genList (i: elemAt xs (start + i)) n;
  take = sublist 0;
  drop = n: xs: sublist n (length xs) xs;
  last = xs: elemAt xs (length xs - 1);
  init = xs: take (length xs - 1) xs;

  # Keeps the first of equals; values may be of any comparable kind.
  unique = foldl' (seen: x: if elem x seen then seen else seen ++ [ x ]) [ ];
  uniqueStrings = xs: builtins.attrNames (builtins.groupBy lib.id xs);
  allUnique = xs: length (unique xs) == length xs;
  intersectLists = a: filter (x: elem x a);
  subtractLists = a: filter (x: !elem x a);
  mutuallyExclusive = a: b: !any (x: elem x b) a;

  zipListsWith =
    f: a: b:
    genList (i: f (elemAt a i) (elemAt b i)) (lib.min (length a) (length b));
  zipLists = zipListsWith (fst: snd: { inherit fst snd; });
  cartesianProduct =
    attrs:
    foldl' (sets: name: concatMap (set: map (v: set // { ${name} = v; }) attrs.${name}) sets) [ { } ] (
      builtins.attrNames attrs
    );
}
