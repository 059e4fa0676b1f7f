{
  system ? builtins.currentSystem,
  localSystem ? system,
  crossSystem ? null,
  config ? { },
  overlays ? [ ],
  ...
}:
let
  lib = import ./lib;
  systemName = if builtins.isAttrs localSystem then localSystem.system else localSystem;
  platform = lib.systems.elaborate systemName;
  # Arguments that a builder can have: sets that no derivation takes become text.
  plain =
    v:
    if builtins.isFunction v then
      "function"
    else if lib.isDerivation v || builtins.isPath v || builtins.isString v then
      "${v}"
    else if builtins.isAttrs v then
      if v ? __toString || v ? outPath then "${v}" else builtins.toJSON (lib.mapAttrs (_: plain) v)
    else if builtins.isList v then
      map plain v
    else
      v;
  nested = [
    "passthru"
    "meta"
    "__functor"
    "override"
    "overrideAttrs"
  ];
  build =
    args:
    let
      attrs = if builtins.isFunction args then lib.fix (self: args (self // { finalPackage = package; })) else args;
      name = lib.strings.sanitizeDerivationName (
        attrs.name or "${attrs.pname or "unnamed"}-${attrs.version or "0"}"
      );
      drv = derivation (
        lib.mapAttrs (_: plain) (removeAttrs attrs nested)
        // {
          inherit name;
          system = systemName;
          builder = "/bin/sh";
          outputs = attrs.outputs or [ "out" ];
        }
      );
      package =
        drv
        // (attrs.passthru or { })
        // {
          inherit name;
          pname = attrs.pname or name;
          version = attrs.version or "0";
          src = attrs.src or null;
          meta = attrs.meta or { };
          passthru = attrs.passthru or { };
          # Outputs that packages have, and this one does not.
          inherit (lib.genAttrs [ "terminfo" "dev" "lib" "man" "bin" "doc" "opencl" "dri" ] (_: drv)) terminfo dev lib man bin doc opencl dri;
          overrideAttrs =
            f:
            let
              given = if builtins.isFunction f then f attrs else f;
            in
            build (attrs // (if builtins.isFunction given then given attrs else given));
          override = _: package;
        };
    in
    package;
  simple = name: rest: build ({ inherit name; } // rest);
  fetch = kind: args: build ({ name = args.name or "source"; inherit kind; } // removeAttrs args [ "name" "postFetch" ]);
  # The names that the flakes of the run have for packages; the driver writes them.
  names = builtins.fromJSON (builtins.readFile ./names.json);
  stub = name: used (lib.makeOverridable (_: build {
    pname = name;
    version = "1.0";
    meta = {
      mainProgram = name;
      description = name;
      platforms = lib.platforms.all;
    };
  }) { });
  # A package as what it may be beside one: a function, and a set with plugins.
  used = package: package // {
    __functor = self: _: self;
    withPackages = _: package;
    withPlugins = _: package;
    withExtensions = _: package;
    qtQmlPrefix = "lib/qml";
    qtPluginPrefix = "lib/plugins";
  };
  # Sets of packages, and what packages have beside what all have.
  parts = lib.mapAttrs (name: parts: stub name // lib.genAttrs parts stub) (builtins.fromJSON (builtins.readFile ./parts.json));
  scope = self: {
    newScope = extra: lib.callPackageWith (self // extra);
    callPackage = lib.callPackageWith self;
    callPackages = lib.callPackagesWith self;
  };
  builders = self: {
    inherit lib config overlays;
    inherit (self.stdenv) hostPlatform buildPlatform targetPlatform;
    path = ./.;
    system = systemName;
    pkgs = self;
    __splicedPackages = self;
    buildPackages = self;
    targetPackages = self;
    pkgsBuildBuild = self;
    pkgsBuildHost = self;
    pkgsStatic = self;
    pkgsCross = lib.genAttrs [ "aarch64-multiplatform" "raspberryPi" "gnu64" "riscv64" ] (_: self);
    extend = f: lib.fix (lib.extends f (_: self));
    appendOverlays = extra: lib.fix (lib.foldl' (acc: f: lib.extends f acc) (_: self) extra);
    stdenv = {
      mkDerivation = build;
      hostPlatform = platform;
      buildPlatform = platform;
      targetPlatform = platform;
      inherit system;
      isLinux = platform.isLinux;
      isDarwin = platform.isDarwin;
      cc = stub "cc" // { cc = stub "gcc"; bintools = stub "bintools"; };
      shell = "/bin/sh";
      shellDryRun = "/bin/sh -n";
    };
    stdenvNoCC = self.stdenv;
    clangStdenv = self.stdenv;
    mkShell = args: build ({ name = "shell"; } // args);
    mkShellNoCC = self.mkShell;
    mkShellUnwrapped = self.mkShell;
    runCommand = name: env: buildCommand: simple name (env // { inherit buildCommand; });
    runCommandLocal = self.runCommand;
    runCommandNoCC = self.runCommand;
    runCommandCC = self.runCommand;
    writeText = name: text: simple name { inherit text; };
    writeTextFile = args: build args;
    writeTextDir = path: text: simple (baseNameOf path) { inherit path text; };
    writeScript = self.writeText;
    writeScriptBin = self.writeText;
    writeShellScript = self.writeText;
    writeShellScriptBin = self.writeText;
    writeShellApplication = args: build ({ meta.mainProgram = args.name; } // args);
    concatText = name: files: simple name { inherit files; };
    concatTextFile = build;
    writers = lib.genAttrs [ "writeBash" "writeBashBin" "writePython3" "writePython3Bin" "writeDash" "writeDashBin" "writeNu" ] (
      _: name: if lib.hasSuffix "Python3" name then self.writeText name else self.writeText name
    );
    writeReferencesToFile = path: simple "references" { inherit path; };
    symlinkJoin = args: build args;
    buildEnv = args: build args;
    linkFarm = name: entries: simple name { entries = builtins.toJSON (plain entries); };
    linkFarmFromDrvs = name: drvs: simple name { inherit drvs; };
    substitute = args: build ({ name = "substituted"; } // args);
    substituteAll = self.substitute;
    replaceVars = src: vars: simple (baseNameOf src) (vars // { inherit src; });
    replaceVarsWith = self.substitute;
    makeSetupHook = args: _: build args;
    makeWrapper = stub "make-wrapper";
    closureInfo = args: simple "closure-info" args;
    applyPatches = args: build ({ name = "patched"; } // args);
    buildGoModule = build;
    buildGo124Module = build;
    buildGo125Module = build;
    buildNpmPackage = build;
    rustPlatform = {
      buildRustPackage = build;
      importCargoLock = args: simple "cargo-vendor" { lock = plain args; };
      fetchCargoVendor = fetch "cargo";
      bindgenHook = stub "bindgen-hook";
    };
    makeRustPlatform = _: self.rustPlatform;
    vimUtils.buildVimPlugin = build;
    fetchurl = fetch "url";
    fetchzip = fetch "zip";
    fetchgit = fetch "git";
    fetchpatch = fetch "patch";
    fetchpatch2 = fetch "patch";
    fetchFromGitHub = fetch "github";
    fetchFromGitLab = fetch "gitlab";
    fetchFromGitea = fetch "gitea";
    fetchFromForgejo = fetch "gitea";
    fetchFromSourcehut = fetch "sourcehut";
    fetchFromCodeberg = fetch "gitea";
    fetchPypi = fetch "pypi";
    formats = lib.genAttrs [ "json" "yaml" "yaml_1_2" "toml" "ini" "iniWithGlobalSection" "keyValue" "gitIni" "libconfig" "javaProperties" "hocon" "xml" "elixirConf" "php" ] (
      kind: _: {
        type = lib.types.attrsOf lib.types.anything;
        generate = name: value: simple name { text = builtins.toJSON (plain value); inherit kind; };
        lib.types.atom = lib.types.anything;
      }
    );
    nixosTest = test: simple "nixos-test" { test = if builtins.isFunction test then "function" else test.name or "unnamed"; };
    testers = {
      runNixOSTest = self.nixosTest;
      nixosTest = self.nixosTest;
      lycheeLinkCheck = args: simple "links" args;
    };
    nixos = module: import ./nixos/lib/eval-config.nix { inherit lib; modules = lib.toList module; inherit system; };
    nixosOptionsDoc = { options, ... }: {
      optionsCommonMark = simple "options.md" { names = builtins.attrNames options; };
      optionsJSON = simple "options.json" { names = builtins.attrNames options; };
      optionsNix = { };
    };
    python3Packages = lib.genAttrs names stub // scope self.python3Packages // {
      buildPythonPackage = build;
      buildPythonApplication = build;
      inherit lib;
    };
    python3 = stub "python3" // {
      pkgs = self.python3Packages;
      withPackages = f: simple "python3-env" { packages = f self.python3Packages; };
    };
    python311 = self.python3;
    python312 = self.python3;
    python313 = self.python3;
    haskellPackages = lib.genAttrs names stub // parts;
    perlPackages = lib.genAttrs names stub // parts;
    nodePackages = lib.genAttrs names stub // parts;
    vimPlugins = lib.genAttrs names stub // parts;
    tree-sitter-grammars = lib.genAttrs names stub;
    gnomeExtensions = lib.genAttrs names stub // parts;
    linuxPackages = lib.genAttrs names stub // { kernel = stub "linux" // { kernelOlder = _: false; kernelAtLeast = _: true; }; };
    linuxPackages_latest = self.linuxPackages;
    linuxPackages_hardened = self.linuxPackages;
    linuxPackagesFor = _: self.linuxPackages;
    nur.repos.rycee.firefox-addons = lib.genAttrs names stub;
    recurseIntoAttrs = lib.recurseIntoAttrs;
    dockerTools = {
      buildImage = build;
      buildLayeredImage = build;
      streamLayeredImage = build;
      pullImage = args: build ({ name = "image"; } // args);
    };
  };
in
lib.fix (
  lib.foldl' (acc: f: lib.extends f acc) (
    self: lib.genAttrs names stub // parts // scope self // builders self
  ) overlays
)
