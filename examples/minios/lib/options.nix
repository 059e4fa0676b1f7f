# Declaring options, merging plain values, and how options and definitions
# are written in messages. A definition is { file, value }.
{ lib }:
let
  inherit (builtins) all head length;
  values = map (def: def.value);
in
rec {
  isOption = v: v._type or null == "option";

  # mkOption { type, default, description, example, apply, readOnly, ... }
  mkOption = attrs: attrs // { _type = "option"; };
  mkEnableOption =
    name:
    mkOption {
      type = lib.types.bool;
      default = false;
      example = true;
      description = "Whether to enable ${name}.";
    };
  # mkPackageOption pkgs "caddy" { } is an option holding pkgs.caddy.
  mkPackageOption =
    pkgs: name:
    {
      nullable ? false,
      default ? name,
      example ? null,
      extraDescription ? "",
      pkgsText ? "pkgs",
    }:
    mkOption (
      {
        type = (if nullable then lib.types.nullOr else lib.id) lib.types.package;
        description = "The ${lib.concatStringsSep "." (lib.toList name)} package to use. ${extraDescription}";
      }
      // lib.optionalAttrs (default != null) {
        default = lib.getAttrFromPath (lib.toList default) pkgs;
      }
    );
  mkSinkUndeclaredOptions =
    attrs:
    mkOption (
      {
        internal = true;
        visible = false;
        default = false;
        description = "Takes definitions of options nobody declares.";
        type = lib.mkOptionType {
          name = "sink";
          check = _: true;
          merge = _: _: false;
        };
        apply = _: throw "this option only takes definitions, it has no value";
      }
      // attrs
    );

  # A configuration as data: what nobody may look at is left out.
  scrubOptionValue =
    v:
    if lib.isDerivation v then
      v
    else if builtins.isList v then
      map scrubOptionValue v
    else if builtins.isAttrs v then
      lib.mapAttrs (_: scrubOptionValue) (removeAttrs v [ "_args" ])
    else
      v;

  getValues = values;
  getFiles = map (def: def.file);
  literalExpression = text: {
    _type = "literalExpression";
    inherit text;
  };
  literalExample = literalExpression;
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
  unknownModule = "<unknown-file>";

  # How values come together where the type does not say it.
  mergeDefaultOption =
    loc: defs:
    let
      vs = values defs;
      first = head vs;
    in
    if length vs == 1 then
      first
    else if all builtins.isFunction vs then
      x: mergeDefaultOption loc (map (def: def // { value = def.value x; }) defs)
    else if all builtins.isList vs then
      builtins.concatLists vs
    else if all builtins.isAttrs vs then
      lib.mergeAttrsList vs
    else if all builtins.isBool vs then
      lib.any lib.id vs
    else if all builtins.isString vs then
      lib.concatStrings vs
    else if all builtins.isInt vs && all (v: v == first) vs then
      first
    else
      throw "Cannot merge definitions of `${showOption loc}'. Definition values:${showDefs defs}";
  mergeOneOption = mergeUniqueOption { message = ""; };
  mergeUniqueOption =
    {
      message,
      merge ? null,
    }:
    loc: defs:
    if length defs == 1 then
      if merge == null then (head defs).value else merge loc defs
    else
      throw (
        "The option `${showOption loc}' is defined multiple times while it's expected to be unique.\n"
        + lib.optionalString (message != "") "${message}\n"
        + "Definition values:${showDefs defs}\n${resolution}"
      );
  mergeEqualOption =
    loc: defs:
    let
      first = head defs;
      merged = builtins.foldl' (
        v: def:
        if def.value == v then
          v
        else
          throw "The option `${showOption loc}' has conflicting definition values:${showDefs defs}\n${resolution}"
      ) first.value (builtins.tail defs);
    in
    if defs == [ ] then throw "This case should never happen." else merged;
  resolution = "Use `lib.mkForce value` or `lib.mkDefault value` to change the priority on any of these definitions.";

  # [ "services" "caddy" "virtualHosts" "a.b" ] as services.caddy.virtualHosts."a.b"
  showOption = lib.concatMapStringsSep "." (
    part:
    if builtins.match "<.*>|\\*" part != null then part else lib.escapeNixIdentifier part
  );
  showFiles = files: lib.concatStringsSep " and " (map (file: "`${file}'") files);
  showDefs = lib.concatMapStrings (
    def:
    let
      all = lib.splitString "\n" (lib.generators.toPretty { } def.value);
      # Enough of a value to recognise it.
      lines = lib.take 5 all ++ lib.optional (length all > 5) "...";
    in
    "\n- In `${def.file}'"
    + (
      if length lines <= 1 then
        ": ${head lines}"
      else
        ":" + lib.concatMapStrings (line: "\n    ${line}") lines
    )
  );
}
