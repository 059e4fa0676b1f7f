# How things are built here: /bin/sh runs a script that uses a handful of
# coreutils (mkdir, ln, cp, cat, chmod, rm, readlink). There is no compiler
# and no fetched source, so everything builds in milliseconds without a
# network. The README says what Nix settings this takes.
{
  lib,
  pkgs,
  buildSystem,
}:
let
  # The shell a builder starts with, and what it may count on.
  prelude = ''
    set -eu
    umask 022
    command -v mkdir >/dev/null || {
      echo "minios: a builder needs /bin/sh and coreutils in /bin or /usr/bin;" >&2
      echo "minios: set \`sandbox = false' or \`extra-sandbox-paths = /bin /usr /lib /lib64'" >&2
      exit 1
    }
  '';
  # Makes $2 show what $1 shows, by links; a directory that several show is a real one.
  linkTree = ''
    link_tree() {
      for from in "$1"/* "$1"/.[!.]*; do
        [ -e "$from" ] || [ -L "$from" ] || continue
        set -- "$1" "$2" "$from" "$2/''${from##*/}"
        if [ -d "$4" ] && [ -d "$3" ]; then
          if [ -L "$4" ]; then
            shared=$(readlink "$4")
            rm "$4"
            mkdir "$4"
            (link_tree "$shared" "$4")
          fi
          (link_tree "$3" "$4")
        elif [ ! -e "$4" ]; then
          ln -s "$3" "$4"
        fi
      done
    }
  '';
  contents = value: if value == null then "" else toString value;
in
rec {
  runtimeShell = "/bin/sh";

  # derivation { ... } with a script for a builder, plus what people expect of
  # a package: meta, passthru, pname and version.
  mkDerivation =
    {
      pname ? null,
      version ? null,
      name ? if version == null then pname else "${pname}-${version}",
      buildCommand ? attrs.installPhase or "mkdir -p $out",
      outputs ? [ "out" ],
      passthru ? { },
      meta ? { },
      ...
    }@attrs:
    let
      env = removeAttrs attrs [
        "installPhase"
        "meta"
        "passthru"
      ];
      drv = derivation (
        env
        // {
          inherit name outputs;
          system = buildSystem;
          builder = "/bin/sh";
          args = [
            "-c"
            ". \"$buildCommandPath\""
          ];
          PATH = "/bin:/usr/bin:/run/current-system/sw/bin";
          buildCommand = prelude + buildCommand;
          passAsFile = attrs.passAsFile or [ ] ++ [ "buildCommand" ];
        }
      );
      extra = {
        inherit name passthru;
        meta = { description = ""; } // meta;
        overrideAttrs = f: mkDerivation (attrs // (if lib.isFunction (f attrs) then f attrs attrs else f attrs));
      }
      // lib.optionalAttrs (pname != null) { inherit pname; }
      // lib.optionalAttrs (version != null) { inherit version; }
      // passthru;
    in
    drv // extra // lib.genAttrs outputs (output: drv.${output} // extra);

  runCommand =
    name: env: buildCommand:
    mkDerivation (env // { inherit name buildCommand; });
  runCommandLocal = runCommand;
  runCommandNoCC = runCommand;
  runCommandCC = runCommand;

  writeTextFile =
    {
      name,
      text,
      executable ? false,
      destination ? "",
      checkPhase ? "",
      meta ? { },
      ...
    }:
    mkDerivation {
      inherit name meta text;
      passAsFile = [ "text" ];
      buildCommand =
        lib.optionalString (destination != "") "mkdir -p \"$out${dirOf destination}\"\n"
        + "cat \"$textPath\" > \"$out${destination}\"\n"
        + lib.optionalString executable "chmod +x \"$out${destination}\"\n";
    };
  writeText = name: text: writeTextFile { inherit name text; };
  writeTextDir =
    path: text:
    writeTextFile {
      name = baseNameOf path;
      inherit text;
      destination = "/${path}";
    };
  writeScript =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
    };
  writeScriptBin =
    name: text:
    writeTextFile {
      inherit name text;
      executable = true;
      destination = "/bin/${name}";
      meta.mainProgram = name;
    };
  writeShellScript = name: text: writeScript name "#!${runtimeShell}\n${text}";
  writeShellScriptBin = name: text: writeScriptBin name "#!${runtimeShell}\n${text}\n";
  writeShellApplication =
    {
      name,
      text,
      runtimeInputs ? [ ],
      ...
    }:
    writeShellScriptBin name ''
      set -eu
      ${lib.optionalString (runtimeInputs != [ ]) "export PATH=\"${lib.makeBinPath runtimeInputs}:$PATH\""}

      ${text}'';

  # A tree with patches, which the program patch applies.
  applyPatches =
    {
      src,
      patches ? [ ],
      name ? "source-patched",
      ...
    }:
    mkDerivation {
      inherit name src patches;
      buildCommand = ''
        cp -r "$src" "$out"
        chmod -R u+w "$out"
        cd "$out"
        for p in $patches; do
          echo "applying patch $p"
          patch -p1 --no-backup-if-mismatch < "$p"
        done
      '';
    };

  # One tree of links to the contents of several; the first of equals wins.
  symlinkJoin =
    {
      name,
      paths ? [ ],
      postBuild ? "",
      meta ? { },
      passthru ? { },
      ...
    }:
    mkDerivation {
      inherit name meta passthru;
      buildCommand = ''
        ${linkTree}
        mkdir $out
        ${lib.concatMapStrings (path: "link_tree ${path} $out\n") paths}
        ${postBuild}
      '';
    };
  # The same, only for the subdirectories named by pathsToLink.
  buildEnv =
    {
      name,
      paths ? [ ],
      pathsToLink ? [ "/" ],
      extraOutputsToInstall ? [ ],
      postBuild ? "",
      ...
    }:
    let
      trees = lib.concatMap (
        pkg:
        [ (lib.getBin pkg) ]
        ++ map (output: pkg.${output}) (builtins.filter (output: pkg ? ${output}) extraOutputsToInstall)
      ) paths;
    in
    mkDerivation {
      inherit name;
      buildCommand = ''
        ${linkTree}
        mkdir $out
        add() {
          [ -d "$1$2" ] || return 0
          mkdir -p "$out$2"
          link_tree "$1$2" "$out$2"
        }
        ${lib.concatMapStrings (
          tree:
          lib.concatMapStrings (dir: "add ${tree} ${lib.escapeShellArg (if dir == "/" then "" else dir)}\n") pathsToLink
        ) trees}
        ${postBuild}
      '';
    };
  # linkFarm "name" { "a/b" = path; } or [ { name = "a/b"; inherit path; } ]
  linkFarm =
    name: entries:
    mkDerivation {
      inherit name;
      buildCommand =
        "mkdir $out\ncd $out\n"
        + lib.concatMapStrings (e: ''
          mkdir -p ${lib.escapeShellArg (dirOf "./${e.name}")}
          ln -s ${lib.escapeShellArg "${e.path}"} ${lib.escapeShellArg e.name}
        '') (if builtins.isList entries then entries else lib.mapAttrsToList (name: path: { inherit name path; }) entries);
    };
  linkFarmFromDrvs = name: drvs: linkFarm name (map (drv: { inherit (drv) name; path = drv; }) drvs);
  emptyFile = writeText "empty-file" "";
  emptyDirectory = runCommand "empty-directory" { } "mkdir $out";

  # pkgs.formats.json { } and friends: a type for settings, and their file.
  formats =
    let
      format = render: _: {
        type =
          let
            value = lib.types.nullOr (
              lib.types.oneOf [
                lib.types.bool
                lib.types.int
                lib.types.float
                lib.types.str
                lib.types.path
                (lib.types.attrsOf value)
                (lib.types.listOf value)
              ]
            ) // { description = "JSON value"; descriptionClass = "noun"; };
          in
          value;
        generate = name: value: writeText name (contents (render value));
      };
    in
    {
      json = format builtins.toJSON;
      yaml = format builtins.toJSON;
      keyValue = format (lib.generators.toKeyValue { });
      ini = format (lib.generators.toINI { });
    };
}
