# Data as the text of configuration files, and as text for people.
{ lib }:
rec {
  mkValueStringDefault =
    _: v:
    if v == null then
      "null"
    else if builtins.isBool v then
      lib.boolToString v
    else if builtins.isInt v || builtins.isString v || lib.isDerivation v then
      toString v
    else if builtins.isFloat v then
      builtins.toJSON v
    else
      throw "generators.mkValueStringDefault: ${builtins.typeOf v} has no plain text form";
  mkKeyValueDefault =
    {
      mkValueString ? mkValueStringDefault { },
    }:
    sep: k: v:
    "${lib.escape [ sep ] k}${sep}${mkValueString v}";

  toKeyValue =
    {
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
      indent ? "",
    }:
    set:
    lib.concatStrings (
      lib.concatLists (
        lib.mapAttrsToList (
          k: v:
          map (one: "${indent}${mkKeyValue k one}\n") (if listsAsDuplicateKeys then lib.toList v else [ v ])
        ) set
      )
    );
  toINI =
    {
      mkSectionName ? name: lib.escape [ "[" "]" ] name,
      mkKeyValue ? mkKeyValueDefault { } "=",
      listsAsDuplicateKeys ? false,
    }:
    sections:
    lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: keys: "[${mkSectionName name}]\n${toKeyValue { inherit mkKeyValue listsAsDuplicateKeys; } keys}"
      ) sections
    );
  toJSON = _: builtins.toJSON;
  toYAML = toJSON;

  # A value as Nix source, for error messages: it never fails and goes at
  # most `depth` levels deep. Multi-line unless the value is small.
  toPretty =
    {
      multiline ? true,
      depth ? 5,
    }:
    let
      show =
        level: indent: v:
        let
          inner = indent + "  ";
          open = if multiline then "\n${inner}" else " ";
          close = if multiline then "\n${indent}" else " ";
          kind = builtins.typeOf v;
        in
        if kind == "string" then
          string indent v
        else if kind == "path" then
          toString v
        else if kind == "null" then
          "null"
        else if kind == "bool" then
          lib.boolToString v
        else if kind == "int" || kind == "float" then
          toString v
        else if kind == "lambda" then
          "<function>"
        else if kind == "list" then
          if v == [ ] then
            "[ ]"
          else if level >= depth then
            "[ … ]"
          else
            "[${open}${lib.concatMapStringsSep open (attempt (level + 1) inner) v}${close}]"
        else if v ? __pretty && v ? val then
          v.__pretty v.val
        else if v == { } then
          "{ }"
        else if v.type or null == "derivation" then
          "<derivation ${v.name or v.drvPath or "?"}>"
        else if level >= depth then
          "{ … }"
        else
          "{${open}${
            lib.concatStringsSep open (
              lib.mapAttrsToList (
                name: x: "${lib.escapeNixIdentifier name} = ${attempt (level + 1) inner x};"
              ) v
            )
          }${close}}";
      attempt =
        level: indent: v:
        let
          tried = builtins.tryEval (builtins.seq v v);
          text = builtins.tryEval (show level indent tried.value);
        in
        if tried.success && text.success then text.value else "<error>";
      string =
        indent: s:
        if multiline && lib.hasInfix "\n" s then
          let
            body = lib.replaceStrings [ "''" "\${" ] [ "'''" "''\${" ] s;
            lines = lib.splitString "\n" body;
          in
          "''\n${indent}  ${lib.concatStringsSep "\n${indent}  " (lib.init lines)}${
            if lib.last lines == "" then "\n${indent}''" else "\n${indent}  ${lib.last lines}''"
          }"
        else
          lib.escapeNixString s;
    in
    attempt 0 "";
}
