# Functions on functions, numbers and messages.
{ lib }:
rec {
  inherit (builtins)
    add
    sub
    lessThan
    seq
    deepSeq
    genericClosure
    isBool
    isInt
    isFloat
    isPath
    pathExists
    readFile
    bitAnd
    bitOr
    bitXor
    ;

  # The release whose option names the modules follow.
  release = "24.11";
  version = "${release}.minios";
  versionSuffix = ".minios";
  codeName = "Vicuna";
  inNixShell = false;

  id = x: x;
  const = x: _: x;
  flip = f: a: b: f b a;
  pipe = builtins.foldl' (x: f: f x);
  concat = a: b: a ++ b;
  or = a: b: a || b;
  and = a: b: a && b;
  mergeAttrs = a: b: a // b;
  defaultTo = default: x: if x == null then default else x;
  mapNullable = f: x: if x == null then null else f x;

  min = a: b: if a < b then a else b;
  max = a: b: if a > b then a else b;
  mod = a: b: a - b * (a / b);
  compare =
    a: b:
    if a < b then
      -1
    else if a > b then
      1
    else
      0;

  boolToString = b: if b then "true" else "false";
  boolToYesNo = b: if b then "yes" else "no";

  # A function, or a set that can be called like one.
  isFunction = f: builtins.isFunction f || (f ? __functor && isFunction (f.__functor f));
  functionArgs =
    f:
    if f ? __functor then
      f.__functionArgs or (functionArgs (f.__functor f))
    else
      builtins.functionArgs f;
  setFunctionArgs = f: args: {
    __functor = _: f;
    __functionArgs = args;
  };
  toFunction = x: if isFunction x then x else _: x;

  importJSON = file: builtins.fromJSON (builtins.readFile file);
  importTOML = file: builtins.fromTOML (builtins.readFile file);

  warn = builtins.warn or (msg: builtins.trace "evaluation warning: ${msg}");
  warnIf = cond: msg: if cond then warn msg else id;
  warnIfNot = cond: warnIf (!cond);
  throwIf = cond: msg: if cond then throw msg else id;
  throwIfNot = cond: throwIf (!cond);
  assertMsg = pred: msg: pred || throw msg;
  assertOneOf =
    name: value: allowed:
    assertMsg (builtins.elem value allowed) "${name} must be one of ${lib.generators.toPretty { } allowed}, but is: ${
      lib.generators.toPretty { } value
    }";
  info = msg: builtins.trace "INFO: ${msg}";
  showWarnings = warnings: value: builtins.foldl' (v: w: warn w v) value warnings;

  traceVal = x: builtins.trace x x;
  traceSeq = x: y: builtins.trace (builtins.deepSeq x x) y;
  traceValSeq = x: traceSeq x x;

  # A description, once marked as Markdown; today every description is.
  mdDoc = id;
}
