{ lib }:
let
  inherit (builtins)
    concatStringsSep
    elemAt
    genList
    replaceStrings
    stringLength
    substring
    ;
  lower = stringToCharacters "abcdefghijklmnopqrstuvwxyz";
  upper = stringToCharacters "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
  stringToCharacters = s: genList (i: substring i 1 s) (stringLength s);
in
rec {
  inherit (builtins)
    concatStringsSep
    fromJSON
    hashString
    isString
    match
    parseDrvName
    replaceStrings
    split
    splitVersion
    stringLength
    substring
    toJSON
    typeOf
    unsafeDiscardStringContext
    compareVersions
    ;
  inherit stringToCharacters;

  concatStrings = concatStringsSep "";
  concatMapStrings = f: xs: concatStrings (map f xs);
  concatMapStringsSep = sep: f: xs: concatStringsSep sep (map f xs);
  concatImapStrings = f: xs: concatStrings (lib.imap1 f xs);
  concatImapStringsSep = sep: f: xs: concatStringsSep sep (lib.imap1 f xs);
  concatMapAttrsStringSep = sep: f: set: concatStringsSep sep (lib.mapAttrsToList f set);
  concatLines = concatMapStrings (line: line + "\n");
  optionalString = cond: s: if cond then s else "";
  replicate = n: s: concatStrings (lib.lists.replicate n s);
  stringAsChars = f: s: concatMapStrings f (stringToCharacters s);
  intersperse =
    sep: xs:
    builtins.concatLists (
      lib.imap0 (
        i: x:
        lib.optional (i > 0) sep ++ [ x ]
      ) xs
    );

  hasPrefix = prefix: s: substring 0 (stringLength prefix) s == prefix;
  hasSuffix =
    suffix: s:
    let
      n = stringLength s - stringLength suffix;
    in
    n >= 0 && substring n (-1) s == suffix;
  hasInfix = infix: s: builtins.length (splitString infix s) > 1;
  removePrefix = prefix: s: if hasPrefix prefix s then substring (stringLength prefix) (-1) s else s;
  removeSuffix =
    suffix: s: if hasSuffix suffix s then substring 0 (stringLength s - stringLength suffix) s else s;
  # Splits at every occurrence of a literal separator; the context of s stays.
  splitString =
    sep: s:
    let
      parts = builtins.filter isString (
        builtins.split (escapeRegex (unsafeDiscardStringContext (toString sep))) (
          unsafeDiscardStringContext (toString s)
        )
      );
    in
    map (addContextFrom s) parts;
  addContextFrom = from: to: substring 0 0 from + to;
  trim =
    s:
    let
      m = match "[ \t\r\n]*(.*[^ \t\r\n])[ \t\r\n]*" s;
    in
    if m == null then "" else builtins.head m;
  toLower = replaceStrings upper lower;
  toUpper = replaceStrings lower upper;
  toSentenceCase = s: toUpper (substring 0 1 s) + toLower (substring 1 (-1) s);
  fileContents = file: removeSuffix "\n" (builtins.readFile file);
  commonPrefixLength =
    a: b:
    let
      n = lib.min (stringLength a) (stringLength b);
      go = i: if i < n && substring i 1 a == substring i 1 b then go (i + 1) else i;
    in
    go 0;

  escape = chars: replaceStrings chars (map (c: "\\${c}") chars);
  escapeRegex = escape (stringToCharacters "\\[{()^$?*+|.");
  escapeXML = replaceStrings [ "\"" "'" "<" ">" "&" ] [ "&quot;" "&apos;" "&lt;" "&gt;" "&amp;" ];
  escapeNixString = s: escape [ "$" ] (builtins.toJSON s);
  escapeNixIdentifier =
    s: if match "[a-zA-Z_][a-zA-Z0-9_'-]*" s != null && s != "or" then s else escapeNixString s;
  escapeShellArg =
    arg:
    let
      s = toString arg;
    in
    if match "[a-zA-Z0-9,._+:@%/-]+" s != null then s else "'${replaceStrings [ "'" ] [ "'\\''" ] s}'";
  escapeShellArgs = concatMapStringsSep " " escapeShellArg;
  isValidPosixName = name: match "[a-zA-Z_][a-zA-Z0-9_]*" name != null;
  toShellVar = name: value: "${name}=${escapeShellArg value}";
  toShellVars = set: concatStringsSep "\n" (lib.mapAttrsToList toShellVar set);

  # Snippets of activation scripts, with those that must run before.
  stringAfter = deps: text: { inherit deps text; };
  noDepEntry = stringAfter [ ];
  fullDepEntry = lib.flip stringAfter;

  fixedWidthString =
    width: filler: s:
    if stringLength s >= width then s else fixedWidthString width filler (filler + s);
  fixedWidthNumber = width: n: fixedWidthString width "0" (toString n);
  toInt =
    s:
    let
      m = match "[ \t\n]*(-?)(0*)([0-9]+)[ \t\n]*" s;
    in
    if m == null then
      throw "Could not convert ${escapeNixString s} to int."
    else if elemAt m 1 != "" then
      throw "Ambiguity in interpretation of ${escapeNixString s} between octal and zero padded integer."
    else
      fromJSON (elemAt m 0 + elemAt m 2);
  toIntBase10 =
    s:
    let
      m = match "[ \t\n]*(-?)0*([0-9]+)[ \t\n]*" s;
    in
    if m == null then
      throw "Could not convert ${escapeNixString s} to int."
    else
      fromJSON (concatStrings m);

  versionOlder = a: b: builtins.compareVersions b a == 1;
  versionAtLeast = a: b: !versionOlder a b;
  getName = x: if isString x then (parseDrvName x).name else x.pname or (parseDrvName x.name).name;
  getVersion = x: if isString x then (parseDrvName x).version else x.version or (parseDrvName x.name).version;
  versions = {
    major = v: elemAt (splitVersion v) 0;
    minor = v: elemAt (splitVersion v) 1;
    majorMinor = v: concatStringsSep "." (lib.take 2 (splitVersion v));
  };

  makeSearchPath = dir: pkgs: concatMapStringsSep ":" (p: "${p}/${dir}") (builtins.filter (p: p != null) pkgs);
  makeSearchPathOutput = output: dir: pkgs: makeSearchPath dir (map (lib.getOutput output) pkgs);
  makeBinPath = makeSearchPathOutput "bin" "bin";
  makeLibraryPath = makeSearchPathOutput "lib" "lib";

  isConvertibleWithToString =
    x:
    isStringLike x
    || builtins.elem (typeOf x) [
      "null"
      "int"
      "float"
      "bool"
    ]
    || (builtins.isList x && builtins.all isConvertibleWithToString x);
  isStringLike = x: isString x || builtins.isPath x || x ? outPath || x ? __toString;
  isStorePath =
    x:
    isStringLike x
    && (
      let
        s = toString x;
      in
      match "${builtins.storeDir}/[^/]+" s != null
    );
  # hello-2.12 of /nix/store/<32 characters>-hello-2.12
  storePathName = path: substring (stringLength builtins.storeDir + 34) (-1) (unsafeDiscardStringContext path);
  sanitizeDerivationName =
    s:
    let
      clean = concatMapStrings (p: if builtins.isList p then "-" else p) (
        builtins.split "[^[:alnum:]+._?=-]+" (unsafeDiscardStringContext s)
      );
      bare = builtins.head (match "\\.*(.*)" clean);
      n = stringLength bare;
    in
    if bare == "" then "unknown" else substring (lib.max 0 (n - 207)) (-1) bare;
}
