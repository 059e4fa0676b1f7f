# The module system. Read `evalModules` first: modules are collected (imports
# followed, functions called), declarations and definitions are merged level
# by level into a tree of options, and each option is evaluated on its own
# when somebody asks for it. Nothing looks at a value it does not need, so
# that hosts may refer to each other's configurations.
{ lib }:
let
  inherit (builtins)
    addErrorContext
    attrNames
    concatLists
    concatMap
    elemAt
    filter
    foldl'
    head
    isAttrs
    isBool
    isFunction
    isList
    isPath
    isString
    length
    mapAttrs
    removeAttrs
    tail
    zipAttrsWith
    ;
  inherit (lib)
    concatMapStringsSep
    isOption
    mkOption
    optional
    optionalAttrs
    showDefs
    showFiles
    showOption
    types
    ;

  # Priorities: lower wins. mkOptionDefault is what an option's own default has.
  defaultPriority = 100;
  defaultOrder = 1000;
in
rec {
  # evalModules { modules = [ ./a.nix { x = 1; } ]; } gives config and options.
  #   specialArgs  arguments for modules that even `imports` may depend on
  #   prefix       where this set of options sits, for messages
  evalModules =
    {
      modules,
      prefix ? [ ],
      specialArgs ? { },
      args ? { },
      check ? true,
      class ? null,
    }:
    let
      internal = {
        _file = "lib/modules.nix";
        key = "lib/modules.nix";
        disabledModules = [ ];
        imports = [ ];
        options._module = {
          args = mkOption {
            type = types.lazyAttrsOf types.raw;
            description = "Arguments for modules beyond config, options, lib and specialArgs.";
          };
          check = mkOption {
            type = types.bool;
            default = check;
            description = "Whether a definition of an undeclared option is an error.";
          };
          freeformType = mkOption {
            type = types.nullOr types.optionType;
            default = null;
            description = "The type of definitions that match no option.";
          };
          specialArgs = mkOption {
            readOnly = true;
            type = types.raw;
            default = specialArgs;
            description = "The specialArgs of evalModules.";
          };
        };
        config._module.args = {
          inherit extendModules;
          moduleType = types.submoduleWith { inherit modules specialArgs class; };
        }
        // args;
      };

      collected = collect {
        inherit modules specialArgs;
        context = {
          inherit config options;
        };
      };
      # Later modules last to be collected, first to be heard: what a module
      # imports comes before what it says itself.
      all = lib.reverseList (collected ++ [ internal ]);
      merged = mergeLevel prefix (map (m: { inherit (m) _file options; }) all) (
        concatMap (
          m:
          map (value: {
            file = m._file;
            inherit value;
          }) (pushDown m.config)
        ) all
      );

      inherit (merged) options unmatched;
      freeformType = merged.config._module.freeformType;
      config =
        if freeformType == null || unmatched == [ ] then
          merged.config
        else
          lib.recursiveUpdateUntil (_: _: right: !isAttrs right || lib.isDerivation right) (freeformType.merge
            prefix
            (
              map (def: {
                inherit (def) file;
                value = lib.setAttrByPath def.path def.value;
              }) unmatched
            )
          ) merged.config;

      complain =
        let
          def = head unmatched;
        in
        throw (
          "The option `${showOption (prefix ++ def.path)}' does not exist. Definition values:${showDefs [ def ]}"
          + suggestion options def.path
        );
      checked =
        v:
        if freeformType == null && unmatched != [ ] && merged.config._module.check then complain else v;

      extendModules =
        {
          modules ? [ ],
          specialArgs ? { },
          prefix ? prefix',
        }:
        evalModules {
          inherit
            prefix
            args
            check
            class
            ;
          modules = modules' ++ modules;
          specialArgs = specialArgs' // specialArgs;
        };
      prefix' = prefix;
      modules' = modules;
      specialArgs' = specialArgs;
    in
    {
      _type = "configuration";
      inherit class extendModules;
      options = checked options;
      config = checked (removeAttrs config [ "_module" ]);
      _module = checked config._module;
      type = types.submoduleWith { inherit modules specialArgs class; };
    };

  # Names close to a mistyped one, as a last line of the message.
  suggestion =
    options: path:
    let
      parent = lib.attrByPath (lib.init path) { } options;
      name = lib.last path;
      squeeze = s: lib.toLower (lib.replaceStrings [ "-" "_" ] [ "" "" ] s);
      near = filter (
        n:
        n != "_module"
        && (
          squeeze n == squeeze name
          || squeeze n + "s" == squeeze name
          || squeeze n == squeeze name + "s"
          || (lib.stringLength name > 3 && (lib.hasPrefix name n || lib.hasPrefix n name))
        )
      ) (attrNames (if isOption parent then { } else parent));
    in
    lib.optionalString (
      near != [ ]
    ) "\n\nDid you mean ${concatMapStringsSep ", " (n: "`${showOption (lib.init path ++ [ n ])}'") near}?";

  # ---- from what people write to a flat list of modules -------------------

  # Every module reached by imports, each once, in breadth-first order, as
  # { _file, key, imports, disabledModules, options, config }.
  collect =
    {
      modules,
      specialArgs,
      context,
    }:
    let
      load = loadModule ({ inherit lib; } // context // specialArgs) context.config;
      loadAll =
        file: key: ms:
        lib.imap1 (n: load file "${key}:anon-${toString n}") ms;
      closure =
        keep:
        builtins.genericClosure {
          startSet = filter keep (loadAll lib.unknownModule "" modules);
          operator = m: filter keep (loadAll m._file m.key m.imports);
        };
      everything = closure (_: true);
      disabled = concatMap (m: map (moduleKey specialArgs) m.disabledModules) everything;
    in
    if disabled == [ ] then everything else closure (m: !builtins.elem m.key disabled);

  # What disabledModules means: a path, a path below modulesPath, or a key.
  moduleKey =
    specialArgs: m:
    if isAttrs m then
      toString m.key
    else if isString m && builtins.substring 0 1 m != "/" then
      toString specialArgs.modulesPath + "/" + m
    else
      toString m;

  # One module in normal form. file and key are for modules that have none.
  loadModule =
    args: config: file: key: m:
    if lib.isFunction m then
      normalise file key (callModule args config file m)
    else if isAttrs m && !(m ? outPath) then
      if builtins.elem (m._type or "module") [ "module" ] then
        normalise file key m
      else if
        builtins.elem m._type [
          "if"
          "merge"
          "override"
        ]
      then
        normalise file key { config = m; }
      else
        throw "Could not load a value as a module, because it is of type ${lib.escapeNixString m._type}, in file ${file}."
    else if isList m then
      normalise file key { imports = [ { imports = m; } ]; }
    else if isPath m || isString m || m ? outPath then
      let
        path = toString m;
        content = import m;
      in
      if isString m && builtins.substring 0 1 m != "/" then
        throw "Expected a module, but found a string that is not an absolute path: ${lib.escapeNixString m}, in file ${file}."
      else
        normalise path path (if lib.isFunction content then callModule args config path content else content)
    else
      throw "Expected a module, but found a value of type ${lib.escapeNixString (builtins.typeOf m)}, in file ${file}.";

  # Calls a module that is a function. Arguments it names and that are not
  # special come from config._module.args, each looked up when it is used.
  callModule =
    args: config: file: f:
    f (
      mapAttrs (
        name: _:
        args.${name} or (addErrorContext
          "while evaluating the module argument `${name}' in \"${file}\":"
          config._module.args.${name}
        )
      ) (lib.functionArgs f)
      // args
    );

  normalise =
    file: key: m:
    let
      structured = m ? config || m ? options;
      known = [
        "_class"
        "_file"
        "config"
        "disabledModules"
        "freeformType"
        "imports"
        "key"
        "meta"
        "options"
      ];
      foreign = attrNames (removeAttrs m known);
      own =
        if structured then
          m.config or { }
        else
          removeAttrs m [
            "_class"
            "_file"
            "disabledModules"
            "freeformType"
            "imports"
            "key"
            "require"
          ];
      ownKey = toString m.key or key;
    in
    if !isAttrs m then
      throw "Module `${file}' does not look like a module: it is of type ${builtins.typeOf m}."
    else if structured && foreign != [ ] then
      throw (
        "Module `${ownKey}' has an unsupported attribute `${head foreign}'. This is caused by introducing a top-level `config' or `options' attribute. "
        + "Add configuration attributes immediately on the top level instead, or move all of them (namely: ${lib.concatStringsSep " " foreign}) into the explicit `config' attribute."
      )
    else
      {
        _file = toString m._file or file;
        key = ownKey;
        disabledModules = m.disabledModules or [ ];
        imports = m.imports or [ ] ++ m.require or [ ];
        options = m.options or { };
        config =
          if m ? freeformType || (structured && m ? meta) then
            mkMerge [
              own
              (optionalAttrs (m ? freeformType) { _module.freeformType = m.freeformType; })
              (optionalAttrs (structured && m ? meta) { inherit (m) meta; })
            ]
          else
            own;
      };

  # ---- merging ------------------------------------------------------------

  # One level of the tree. decls are { _file, options }, defs { file, value }
  # with value a plain attribute set. Gives the options, their values, and the
  # definitions that match no option, with their paths relative to the level.
  mergeLevel =
    prefix: decls: defs:
    let
      declsByName = zipAttrsWith (_: ds: ds) (
        map (
          d:
          if isAttrs d.options then
            mapAttrs (_: options: {
              inherit (d) _file;
              inherit options;
            }) d.options
          else
            throw "The options below `${showOption prefix}' in `${d._file}' are not an attribute set."
        ) decls
      );
      defsByName = zipAttrsWith (_: ds: ds) (
        map (
          def:
          if isAttrs def.value then
            mapAttrs (_: value: {
              inherit (def) file;
              inherit value;
            }) def.value
          else
            throw ''
              In module `${def.file}', you're trying to define a value of type `${builtins.typeOf def.value}'
              rather than an attribute set for the option
              `${showOption prefix}'!

              This usually happens if `${showOption prefix}' has option
              definitions inside that are not matched. Please check how to properly define
              this option by e.g. referring to `man 5 configuration.nix'!
            ''
        ) defs
      );
      entry =
        name: ds:
        let
          loc = prefix ++ [ name ];
          nested = filter (d: !isOption d.options) ds;
          here = defsByName.${name} or [ ];
        in
        if nested == [ ] then
          leaf (evalOption loc ds here)
        else if length nested == length ds then
          mergeLevel loc ds (
            concatMap (
              def:
              map (value: {
                inherit (def) file;
                inherit value;
              }) (pushDown def.value)
            ) here
          )
        else
          leaf (evalOption loc (map (declareInSubmodule loc ds) ds) here);
      leaf = option: {
        options = option;
        config = option.value;
        unmatched = [ ];
      };
      entries = mapAttrs entry declsByName;
      stray = removeAttrs defsByName (attrNames declsByName);
    in
    {
      options = mapAttrs (_: e: e.options) entries;
      config = mapAttrs (_: e: e.config) entries;
      unmatched =
        concatMap (
          name: map (def: def // { path = [ name ]; }) stray.${name}
        ) (attrNames stray)
        ++ concatMap (
          name: map (def: def // { path = [ name ] ++ def.path; }) entries.${name}.unmatched
        ) (attrNames entries);
    };

  # Where one module declares an option of a submodule type and another sets
  # options below it, the latter are options of the submodule.
  declareInSubmodule =
    loc: ds: d:
    let
      whole = head (filter (o: isOption o.options) ds);
    in
    if isOption d.options then
      d
    else if (whole.options.type.getSubModules or null) != null then
      d
      // {
        options = mkOption {
          type = types.submodule [
            {
              _file = d._file;
              inherit (d) options;
            }
          ];
        };
      }
    else
      throw "The option `${showOption loc}' in `${whole._file}' is a prefix of options in `${d._file}'.";

  # A definition of a set of options, freed of the properties around it: a
  # list of plain sets whose members carry them instead.
  pushDown =
    v:
    let
      type = v._type or null;
      spread = wrap: map (mapAttrs (_: wrap)) (pushDown v.content);
    in
    if type == null then
      [ v ]
    else if type == "merge" then
      concatMap pushDown v.contents
    else if type == "if" then
      spread (mkIf v.condition)
    else if type == "override" then
      spread (mkOverride v.priority)
    else if type == "order" then
      spread (mkOrder v.priority)
    else
      [ v ];

  # A definition of one option as the definitions that hold, each with its
  # priority and order. The outermost mkOverride and mkOrder count.
  discharge =
    file: priority: order: v:
    let
      type = v._type or null;
    in
    if type == null then
      [ { inherit file priority order; value = v; } ]
    else if type == "merge" then
      concatMap (discharge file priority order) v.contents
    else if type == "if" then
      if !isBool v.condition then
        throw "`mkIf' called with a non-Boolean condition"
      else if v.condition then
        discharge file priority order v.content
      else
        [ ]
    else if type == "override" then
      discharge file (if priority == null then v.priority else priority) order v.content
    else if type == "order" then
      discharge file priority (if order == null then v.priority else order) v.content
    else if type == "definition" then
      discharge v.file priority order v.value
    else
      [ { inherit file priority order; value = v; } ];

  # The definitions of highest priority in their order, merged by the type.
  mergeDefinitions =
    loc: type: defs:
    let
      holding = concatMap (def: discharge def.file null null def.value) defs;
      priorityOf = d: if d.priority == null then defaultPriority else d.priority;
      orderOf = d: if d.order == null then defaultOrder else d.order;
      highestPrio = foldl' (p: d: lib.min p (priorityOf d)) 9999 holding;
      winning =
        if length holding <= 1 then holding else filter (d: priorityOf d == highestPrio) holding;
      ordered =
        if builtins.all (d: d.order == null) winning then
          winning
        else
          builtins.sort (a: b: orderOf a < orderOf b) winning;
      defsFinal = map (d: { inherit (d) file value; }) ordered;
      invalid = filter (d: !type.check d.value) defsFinal;
    in
    rec {
      inherit defsFinal highestPrio holding;
      isDefined = defsFinal != [ ];
      mergedValue =
        if isDefined then
          if invalid == [ ] then
            type.merge loc defsFinal
          else
            throw "A definition for option `${showOption loc}' is not of type `${type.description}'. Definition values:${showDefs invalid}"
        else if type.emptyValue ? value then
          type.emptyValue.value
        else
          throw "The option `${showOption loc}' was accessed but has no value defined. Try setting the option.";
      optionalValue =
        if isDefined then
          { value = mergedValue; }
        else
          { };
    };

  evalOption =
    loc: ds: defs:
    let
      opt = mergeDeclarations loc ds;
      type = opt.type or types.unspecified;
      default = optional (opt ? default) {
        file = head declarations;
        value = mkOptionDefault opt.default;
      };
      declarations = map (d: d._file) ds;
      merged = mergeDefinitions loc type (default ++ defs);
      value =
        if opt.readOnly or false && length merged.holding > 1 then
          throw "The option `${showOption loc}' is read-only, but it's set multiple times. Definition values:${showDefs merged.holding}"
        else
          merged.mergedValue;
    in
    opt
    // {
      _type = "option";
      inherit loc type declarations;
      value = addErrorContext "while evaluating the option `${showOption loc}':" (
        if opt ? apply then opt.apply value else value
      );
      isDefined = merged.isDefined;
      inherit (merged) highestPrio;
      definitions = map (d: d.value) merged.defsFinal;
      definitionsWithLocations = merged.defsFinal;
      files = map (d: d.file) merged.defsFinal;
      options = type.getSubOptions loc;
      __toString = _: showOption loc;
    };

  # Several modules may declare one option: each attribute at most once, and
  # types that can become one type.
  mergeDeclarations =
    loc: ds:
    if length ds == 1 then
      (head ds).options
    else
      let
        combine =
          a: d:
          let
            both = name: a.opt ? ${name} && d.options ? ${name};
            type = a.opt.type.typeMerge d.options.type.functor;
          in
          if
            both "default" || both "example" || both "description" || both "apply" || (both "type" && type == null)
          then
            throw "The option `${showOption loc}' in `${d._file}' is already declared in ${showFiles a.files}."
          else
            {
              files = a.files ++ [ d._file ];
              opt = a.opt // d.options // optionalAttrs (both "type") { inherit type; };
            };
      in
      (foldl' combine {
        files = [ (head ds)._file ];
        opt = (head ds).options;
      } (tail ds)).opt;

  # ---- properties: what can be said about a definition --------------------

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };
  mkOverride = priority: content: {
    _type = "override";
    inherit priority content;
  };
  mkOptionDefault = mkOverride 1500;
  mkDefault = mkOverride 1000;
  mkImageMediaOverride = mkOverride 60;
  mkForce = mkOverride 50;
  mkVMOverride = mkOverride 10;
  mkOrder = priority: content: {
    _type = "order";
    inherit priority content;
  };
  mkBefore = mkOrder 500;
  mkAfter = mkOrder 1500;
  mkAssert =
    assertion: message: content:
    mkIf (if assertion then true else throw "\nFailed assertion: ${message}") content;
  mkDefinition = args: args // { _type = "definition"; };
  defaultOrderPriority = defaultOrder;
  defaultOverridePriority = defaultPriority;

  setDefaultModuleLocation = file: m: {
    _file = file;
    imports = [ m ];
  };
  importApply = path: args: setDefaultModuleLocation path (import path args);

  # ---- options that moved or went -----------------------------------------

  mkRenamedOptionModule =
    from: to:
    mkRenamed {
      inherit from to;
      warn = true;
    };
  mkAliasOptionModule =
    from: to:
    mkRenamed {
      inherit from to;
      warn = false;
    };
  mkRenamed =
    {
      from,
      to,
      warn,
    }:
    {
      config,
      options,
      ...
    }:
    let
      old = lib.getAttrFromPath from options;
      new = lib.attrByPath to (throw "Renaming error: option `${showOption to}' does not exist.") options;
      moved = "The option `${showOption from}' defined in ${showFiles old.files} has been renamed to `${showOption to}'.";
    in
    {
      options = lib.setAttrByPath from (
        mkOption {
          visible = false;
          description = "Alias of `${showOption to}'.";
          type = types.unspecified;
          apply =
            _:
            (if warn then lib.warn "Obsolete option `${showOption from}' is used. It was renamed to `${showOption to}'." else lib.id)
              (lib.getAttrFromPath to config);
        }
      );
      config = mkMerge [
        (mkIf old.isDefined (
          lib.setAttrByPath to (
            mkOverride old.highestPrio (mkMerge (
              map (
                def:
                mkDefinition {
                  inherit (def) file value;
                }
              ) old.definitionsWithLocations
            ))
          )
        ))
        (optionalAttrs (warn && options ? warnings) {
          warnings = optional old.isDefined moved;
        })
      ];
    };
  mkRemovedOptionModule =
    path: instructions:
    { options, ... }:
    let
      gone = lib.getAttrFromPath path options;
    in
    {
      options = lib.setAttrByPath path (
        mkOption {
          visible = false;
          type = types.raw;
          apply =
            _:
            throw "The option `${showOption path}' can no longer be used since it's been removed. ${instructions}";
        }
      );
      config.assertions = [
        {
          assertion = !gone.isDefined;
          message = "The option definition `${showOption path}' in ${showFiles gone.files} no longer has any effect; please remove it.\n${instructions}\n";
        }
      ];
    };
}
