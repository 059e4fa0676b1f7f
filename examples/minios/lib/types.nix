# Types of options. A type says what a definition may be (`check`), how several
# become one value (`merge loc defs`), and how it reads in a message.
{ lib }:
let
  inherit (builtins)
    concatMap
    elem
    filter
    head
    isAttrs
    isBool
    isFloat
    isFunction
    isInt
    isList
    isString
    length
    mapAttrs
    ;
  inherit (lib)
    concatMapStringsSep
    mergeEqualOption
    mergeOneOption
    showDefs
    showFiles
    showOption
    ;
  inherit (lib.modules) evalModules mergeDefinitions;

  # The description of a type inside that of another; in parentheses unless
  # it is of one of the kinds that read well there.
  phrase =
    plain: t: if elem (t.descriptionClass or null) plain then t.description else "(${t.description})";
  noun = [ "noun" ];
  nounOrComposite = [
    "noun"
    "composite"
  ];
  nounOrConjunction = [
    "noun"
    "conjunction"
  ];

  # How two declarations of one option get one type: the same type, or a
  # type of types (functor.wrapped) around two that do.
  mergeTypes =
    f: g:
    if f.name != g.name then
      null
    else if f ? wrapped then
      let
        inner = f.wrapped.typeMerge g.wrapped.functor;
      in
      if inner == null then null else f.type inner
    else if f ? payload then
      let
        payload = f.binOp f.payload g.payload;
      in
      if payload == null then null else f.type payload
    else
      f.type;
in
rec {
  isType = kind: x: x._type or null == kind;
  isOptionType = isType "option-type";

  mkOptionType =
    {
      name,
      description ? null,
      descriptionClass ? null,
      check ? (_: true),
      merge ? lib.mergeDefaultOption,
      emptyValue ? { },
      getSubOptions ? _: { },
      getSubModules ? null,
      substSubModules ? _: null,
      functor ? { inherit name; },
      typeMerge ? null,
      nestedTypes ? { },
      deprecationMessage ? null,
    }:
    let
      full = { type = self; } // functor;
      self = {
        _type = "option-type";
        inherit
          name
          descriptionClass
          check
          merge
          emptyValue
          getSubOptions
          getSubModules
          substSubModules
          nestedTypes
          deprecationMessage
          ;
        description = if description == null then name else description;
        functor = full;
        typeMerge = if typeMerge == null then mergeTypes full else typeMerge;
      };
    in
    self;

  simple =
    name: description: check:
    mkOptionType {
      inherit name description check;
      descriptionClass = "noun";
      merge = mergeEqualOption;
    };

  # ---- values -------------------------------------------------------------

  unspecified = mkOptionType {
    name = "unspecified";
    description = "unspecified value";
    descriptionClass = "noun";
  };
  raw = mkOptionType {
    name = "raw";
    description = "raw value";
    descriptionClass = "noun";
    merge = mergeOneOption;
  };
  # Any value; sets merge deeply, everything else as its own kind does.
  anything = mkOptionType {
    name = "anything";
    description = "anything";
    descriptionClass = "noun";
    merge =
      loc: defs:
      let
        kindOf = v: if isAttrs v && lib.strings.isStringLike v then "stringCoercibleSet" else builtins.typeOf v;
        kind = kindOf (head defs).value;
        merges = {
          set = (lazyAttrsOf anything).merge loc defs;
          list = (listOf anything).merge loc defs;
          lambda = x: anything.merge loc (map (def: def // { value = def.value x; }) defs);
        };
      in
      if builtins.any (def: kindOf def.value != kind) defs then
        throw "The option `${showOption loc}' has conflicting option types in ${showFiles (lib.getFiles defs)}"
      else
        merges.${kind} or (mergeEqualOption loc defs);
  };

  bool = simple "bool" "boolean" isBool;
  boolByOr = bool // {
    name = "boolByOr";
    description = "boolean (merged using or)";
    merge = _: defs: builtins.any (def: def.value) defs;
  };
  int = simple "int" "signed integer" isInt;
  float = simple "float" "floating point number" isFloat;
  number = either int float;
  ints =
    let
      between =
        lo: hi:
        addCheck int (n: n >= lo && n <= hi)
        // {
          name = "intBetween";
          description = "integer between ${toString lo} and ${toString hi} (both inclusive)";
        };
      sized =
        name: kind: bits: lo: hi:
        between lo hi
        // {
          inherit name;
          description = "${toString bits} bit ${kind} integer; between ${toString lo} and ${toString hi} (both inclusive)";
        };
      open =
        name: docs: ok:
        addCheck int ok
        // {
          inherit name;
          description = docs;
          descriptionClass = "nonRestrictiveClause";
        };
    in
    {
      inherit between;
      unsigned = open "unsignedInt" "unsigned integer, meaning >=0" (n: n >= 0);
      positive = open "positiveInt" "positive integer, meaning >0" (n: n > 0);
      u8 = sized "unsignedInt8" "unsigned" 8 0 255;
      u16 = sized "unsignedInt16" "unsigned" 16 0 65535;
      u32 = sized "unsignedInt32" "unsigned" 32 0 4294967295;
      s8 = sized "signedInt8" "signed" 8 (-128) 127;
      s16 = sized "signedInt16" "signed" 16 (-32768) 32767;
      s32 = sized "signedInt32" "signed" 32 (-2147483648) 2147483647;
    };
  port = ints.u16;

  str = simple "str" "string" isString;
  nonEmptyStr = simple "nonEmptyStr" "non-empty string" (
    s: isString s && builtins.match "[ \t\n]*" s == null
  );
  singleLineStr = mkOptionType {
    name = "singleLineStr";
    description = "(optionally newline-terminated) single-line string";
    descriptionClass = "noun";
    check = s: isString s && builtins.match "[^\n\r]*\n?" s != null;
    merge = loc: defs: lib.removeSuffix "\n" (mergeEqualOption loc defs);
  };
  strMatching =
    pattern:
    simple "strMatching ${lib.escapeNixString pattern}" "string matching the pattern ${pattern}" (
      s: isString s && builtins.match pattern s != null
    );
  separatedString =
    sep:
    mkOptionType {
      name = "separatedString";
      description =
        if sep == "" then "Concatenated string" else "strings concatenated with ${builtins.toJSON sep}";
      descriptionClass = "noun";
      check = isString;
      merge = _: defs: lib.concatStringsSep sep (lib.getValues defs);
      functor = {
        name = "separatedString";
        payload = sep;
        binOp = a: b: if a == b then a else null;
        type = separatedString;
      };
    };
  lines = separatedString "\n";
  commas = separatedString ",";
  envVar = separatedString ":";
  string = separatedString "" // { name = "string"; };
  passwdEntry =
    t:
    addCheck t (s: builtins.match ".*[:\n].*" s == null)
    // {
      name = "passwdEntry ${t.name}";
      description = "${t.description}, not containing newlines or colons";
      descriptionClass = "nonRestrictiveClause";
    };

  attrs = mkOptionType {
    name = "attrs";
    description = "attribute set";
    check = isAttrs;
    merge = _: defs: lib.mergeAttrsList (lib.getValues defs);
    emptyValue.value = { };
  };
  path = mkOptionType {
    name = "path";
    description = "absolute path";
    descriptionClass = "noun";
    check = v: lib.strings.isStringLike v && builtins.substring 0 1 (toString v) == "/";
    merge = mergeEqualOption;
  };
  pathInStore = mkOptionType {
    name = "pathInStore";
    description = "path in the Nix store";
    descriptionClass = "noun";
    check =
      v:
      lib.strings.isStringLike v && builtins.match "${builtins.storeDir}/[^.].*" (toString v) != null;
    merge = mergeEqualOption;
  };
  package = mkOptionType {
    name = "package";
    description = "package";
    descriptionClass = "noun";
    check = v: lib.isDerivation v || lib.isStorePath v;
    merge =
      loc: defs:
      let
        v = mergeOneOption loc defs;
      in
      if lib.isDerivation v then v else lib.toDerivation v;
  };
  shellPackage = package // {
    check = v: lib.isDerivation v && v ? shellPath;
  };
  pkgs = simple "pkgs" "Nixpkgs package set" (v: v._type or null == "pkgs") // {
    merge = mergeOneOption;
  };
  optionType = mkOptionType {
    name = "optionType";
    description = "optionType";
    descriptionClass = "noun";
    check = isOptionType;
    merge =
      loc: defs:
      if length defs == 1 then
        (head defs).value
      else
        let
          merged = builtins.foldl' (t: def: if t == null then null else t.typeMerge def.value.functor) (head
            defs
          ).value (builtins.tail defs);
        in
        if merged == null then
          throw "The option `${showOption loc}' has types that cannot be merged, in ${showFiles (lib.getFiles defs)}."
        else
          merged;
  };
  enum =
    values:
    mkOptionType {
      name = "enum";
      description =
        if values == [ ] then
          "impossible (empty enum)"
        else if length values == 1 then
          "value ${toPrettyValue (head values)} (singular enum)"
        else
          "one of ${concatMapStringsSep ", " toPrettyValue values}";
      descriptionClass = if length values < 2 then "noun" else "conjunction";
      check = v: elem v values;
      merge = mergeEqualOption;
      functor = {
        name = "enum";
        payload = values;
        binOp = a: b: lib.unique (a ++ b);
        type = enum;
      };
    };
  toPrettyValue =
    v:
    if isString v then
      ''"${v}"''
    else if isInt v then
      toString v
    else if isBool v then
      lib.boolToString v
    else
      "<${builtins.typeOf v}>";

  # ---- types of types -----------------------------------------------------

  wrapping = name: wrapped: type: {
    inherit name wrapped type;
  };

  listOf =
    t:
    mkOptionType {
      name = "listOf";
      description = "list of ${phrase nounOrComposite t}";
      descriptionClass = "composite";
      check = isList;
      merge =
        loc: defs:
        map (x: x.value) (
          filter (x: x ? value) (
            builtins.concatLists (
              lib.imap1 (
                n: def:
                lib.imap1 (
                  m: value:
                  (mergeDefinitions (loc ++ [ "[definition ${toString n}-entry ${toString m}]" ]) t [
                    {
                      inherit (def) file;
                      inherit value;
                    }
                  ]).optionalValue
                ) def.value
              ) defs
            )
          )
        );
      emptyValue.value = [ ];
      getSubOptions = prefix: t.getSubOptions (prefix ++ [ "*" ]);
      getSubModules = t.getSubModules;
      substSubModules = m: listOf (t.substSubModules m);
      functor = wrapping "listOf" t listOf;
      nestedTypes.elemType = t;
    };
  nonEmptyListOf =
    t:
    addCheck (listOf t) (xs: xs != [ ])
    // {
      description = "non-empty (${(listOf t).description})";
      emptyValue = { };
    };

  mergedByName =
    loc: t: defs:
    builtins.zipAttrsWith (name: mergeDefinitions (loc ++ [ name ]) t) (
      map (
        def:
        mapAttrs (_: value: {
          inherit (def) file;
          inherit value;
        }) def.value
      ) defs
    );
  attrsOf =
    t:
    mkOptionType {
      name = "attrsOf";
      description = "attribute set of ${phrase nounOrComposite t}";
      descriptionClass = "composite";
      check = isAttrs;
      merge =
        loc: defs:
        mapAttrs (_: x: x.value) (
          lib.filterAttrs (_: x: x ? value) (
            mapAttrs (_: m: m.optionalValue) (mergedByName loc t defs)
          )
        );
      emptyValue.value = { };
      getSubOptions = prefix: t.getSubOptions (prefix ++ [ "<name>" ]);
      getSubModules = t.getSubModules;
      substSubModules = m: attrsOf (t.substSubModules m);
      functor = wrapping "attrsOf" t attrsOf;
      nestedTypes.elemType = t;
    };
  # Like attrsOf, but which names there are does not depend on the values:
  # a name defined only under a false mkIf is an error when it is used.
  lazyAttrsOf =
    t:
    attrsOf t
    // rec {
      name = "lazyAttrsOf";
      description = "lazy attribute set of ${phrase nounOrComposite t}";
      merge =
        loc: defs: mapAttrs (_: m: m.optionalValue.value or t.emptyValue.value or m.mergedValue) (mergedByName loc t defs);
      substSubModules = m: lazyAttrsOf (t.substSubModules m);
      functor = wrapping name t lazyAttrsOf;
      typeMerge = mergeTypes functor;
    };

  uniq = unique { message = ""; };
  unique =
    { message }:
    t:
    mkOptionType {
      name = "unique";
      inherit (t)
        description
        descriptionClass
        check
        emptyValue
        getSubOptions
        getSubModules
        ;
      merge = lib.mergeUniqueOption {
        inherit message;
        inherit (t) merge;
      };
      substSubModules = m: unique { inherit message; } (t.substSubModules m);
      functor = wrapping "unique" t (unique { inherit message; });
      nestedTypes.elemType = t;
    };
  nullOr =
    t:
    mkOptionType {
      name = "nullOr";
      description = "null or ${phrase nounOrConjunction t}";
      descriptionClass = "conjunction";
      check = v: v == null || t.check v;
      merge =
        loc: defs:
        let
          nulls = filter (def: def.value == null) defs;
        in
        if nulls == [ ] then
          t.merge loc defs
        else if length nulls == length defs then
          null
        else
          throw "The option `${showOption loc}` is defined both null and not null, in ${showFiles (lib.getFiles defs)}.";
      emptyValue.value = null;
      inherit (t) getSubOptions getSubModules;
      substSubModules = m: nullOr (t.substSubModules m);
      functor = wrapping "nullOr" t nullOr;
      nestedTypes.elemType = t;
    };
  functionTo =
    t:
    mkOptionType {
      name = "functionTo";
      description = "function that evaluates to a(n) ${phrase nounOrComposite t}";
      descriptionClass = "composite";
      check = lib.isFunction;
      merge =
        loc: defs: arg:
        (mergeDefinitions (loc ++ [ "<function body>" ]) t (
          map (def: {
            inherit (def) file;
            value = def.value arg;
          }) defs
        )).mergedValue;
      getSubOptions = prefix: t.getSubOptions (prefix ++ [ "<function body>" ]);
      inherit (t) getSubModules;
      substSubModules = m: functionTo (t.substSubModules m);
      functor = wrapping "functionTo" t functionTo;
      nestedTypes.elemType = t;
    };

  either =
    a: b:
    mkOptionType {
      name = "either";
      description = "${phrase nounOrConjunction a} or ${
        phrase [ "noun" "conjunction" "composite" ] b
      }";
      descriptionClass = "conjunction";
      check = v: a.check v || b.check v;
      merge =
        loc: defs:
        let
          values = lib.getValues defs;
        in
        if builtins.all a.check values then
          a.merge loc defs
        else if builtins.all b.check values then
          b.merge loc defs
        else
          mergeOneOption loc defs;
      typeMerge =
        g:
        let
          left = a.typeMerge (builtins.elemAt g.both 0).functor;
          right = b.typeMerge (builtins.elemAt g.both 1).functor;
        in
        if g.name == "either" && left != null && right != null then either left right else null;
      functor = {
        name = "either";
        both = [
          a
          b
        ];
      };
      nestedTypes = {
        left = a;
        right = b;
      };
    };
  oneOf =
    ts:
    if ts == [ ] then
      throw "types.oneOf needs at least one type"
    else
      builtins.foldl' either (head ts) (builtins.tail ts);
  coercedTo =
    from: convert: to:
    mkOptionType {
      name = "coercedTo";
      description = "${phrase noun to} or ${phrase noun from} convertible to it";
      check = v: (from.check v && to.check (convert v)) || to.check v;
      merge =
        loc: defs:
        to.merge loc (
          map (def: def // { value = if from.check def.value then convert def.value else def.value; }) defs
        );
      inherit (to) emptyValue getSubOptions getSubModules;
      substSubModules = m: coercedTo from convert (to.substSubModules m);
      typeMerge = _: null;
      nestedTypes = {
        coercedType = from;
        finalType = to;
      };
    };
  addCheck = t: check: t // { check = v: t.check v && check v; };

  # ---- modules as values --------------------------------------------------

  submodule =
    modules:
    submoduleWith {
      modules = lib.toList modules;
      shorthandOnlyDefinesConfig = true;
    };
  submoduleWith =
    {
      modules,
      specialArgs ? { },
      shorthandOnlyDefinesConfig ? false,
      description ? null,
      class ? null,
    }@attrs:
    let
      # Definitions as modules of their own. In a submodule that is data (the
      # usual case) a set is the config, whatever its attributes are called.
      asModule =
        def:
        if shorthandOnlyDefinesConfig && isAttrs def.value then
          {
            _file = def.file;
            config = def.value;
          }
        else
          {
            _file = def.file;
            imports = [ def.value ];
          };
      evaluate =
        loc: more:
        evalModules {
          inherit specialArgs class;
          prefix = loc;
          modules = [
            {
              _file = "lib/types.nix";
              _module.args.name = lib.mkOptionDefault (if loc == [ ] then "" else lib.last loc);
            }
          ]
          ++ modules
          ++ more;
        };
      freeform = (evaluate [ ] [ ])._module.freeformType;
    in
    mkOptionType {
      name = "submodule";
      description = if description == null then "submodule" else description;
      descriptionClass = "noun";
      check = v: isAttrs v || lib.isFunction v || path.check v;
      merge = loc: defs: (evaluate loc (map asModule defs)).config;
      emptyValue.value = (evaluate [ ] [ ]).config;
      getSubOptions =
        prefix:
        let
          sub = evaluate (prefix ++ [ "<name>" ]) [ ];
        in
        removeAttrs sub.options [ "_module" ]
        // lib.optionalAttrs (freeform != null) { _freeformOptions = freeform.getSubOptions prefix; };
      getSubModules = modules;
      substSubModules = m: submoduleWith (attrs // { modules = m; });
      functor = {
        name = "submodule";
        type = submoduleWith;
        payload = attrs;
        binOp = a: b: a // { modules = a.modules ++ b.modules; specialArgs = a.specialArgs or { } // b.specialArgs or { }; };
      };
    };
  # A module to be used elsewhere: definitions are collected, not evaluated.
  deferredModule = deferredModuleWith { };
  deferredModuleWith =
    {
      staticModules ? [ ],
    }:
    mkOptionType {
      name = "deferredModule";
      description = "module";
      descriptionClass = "noun";
      check = v: isAttrs v || lib.isFunction v || path.check v;
      merge = loc: defs: {
        imports =
          staticModules
          ++ map (
            def: lib.setDefaultModuleLocation "${def.file}, via option ${showOption loc}" def.value
          ) defs;
      };
    };
}
