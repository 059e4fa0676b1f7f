# Derivations of every shape that has a rule of its own for hashes and paths. The tests instantiate them with Nix and
# compute everything about them again.
{ dir }:
let
  base = { system = "x86_64-linux"; builder = "/bin/sh"; };
  drv = args: derivation (base // args);

  fixed = name: mode: algo: hash: extra: drv ({
    inherit name; outputHashMode = mode; outputHashAlgo = algo; outputHash = hash;
  } // extra);
  text = "same content";
  algos = [ "md5" "sha1" "sha256" "sha512" ];
  fixeds = builtins.concatMap (algo: builtins.concatMap (mode: [
    (fixed "fixed-${mode}-${algo}" mode algo (builtins.hashString algo text) {})
  ]) [ "flat" "recursive" ]) algos;
  spellings = [
    (fixed "base16" "flat" "sha256" "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {})
    (fixed "base32" "flat" "sha256" "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s" {})
    (fixed "base64" "flat" "sha256" "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=" {})
    (drv { name = "sri"; outputHashMode = "flat"; outputHash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; })
  ];

  # Two ways to fetch one file, two packages that differ only in that, and a third that uses a different output of each:
  # the two inputs have one hash, so their outputs are one set.
  fetch1 = fixed "source" "flat" "sha256" (builtins.hashString "sha256" text) { url = "http://one.example"; };
  fetch2 = fixed "source" "flat" "sha256" (builtins.hashString "sha256" text) { url = "http://two.example"; };
  package = src: drv { name = "package"; outputs = [ "out" "dev" "doc" ]; inherit src; };
  merged = drv { name = "merged"; a = (package fetch1).dev; b = (package fetch2).doc; };

  chain = n: drv ({ name = "chain-${toString n}"; } // (if n == 0 then {} else { prev = chain (n - 1); again = chain (n / 2); }));

  # nix-instantiate goes into such sets only.
  group = drvs: { recurseForDerivations = true; } // builtins.listToAttrs (map (d: { name = d.name; value = d; }) drvs);
in {
  inherit merged;
  fixeds = group fixeds;
  spellings = group spellings;
  chain = chain 40;
  plain = drv { name = "plain"; };
  oddName = drv { name = "1.odd_+name?=-x"; };
  noOut = drv { name = "no-out"; outputs = [ "lib" "bin" ]; };
  escapes = drv { name = "escapes"; args = [ "-c" "a\"b\\c\nd\re\tf$ g" "" "ünïcödé" ]; text = "\"\\\n\r\t\\n"; empty = ""; "odd key \"" = 1; };
  values = drv { name = "values"; t = true; f = false; n = null; i = -3; l = [ 1 [ "two" ] true ]; p = placeholder "out"; };
  structured = drv {
    name = "structured"; __structuredAttrs = true; outputs = [ "out" "dev" ];
    attrs = { list = [ 1 2 { a = null; } ]; text = "\"quoted\"\n"; dep = fetch1; }; ph = placeholder "dev";
  };
  structuredFixed = drv {
    name = "structured-fixed"; __structuredAttrs = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
    outputHash = builtins.hashString "sha256" "x";
  };
  toFile = drv { name = "to-file"; script = builtins.toFile "script.sh" "echo ${builtins.toFile "inner.txt" "inner"} ${dir}"; };
  sources = drv {
    name = "sources"; whole = dir;
    some = builtins.filterSource (path: type: type != "symlink" && baseNameOf path != "sub") dir;
    renamed = builtins.path { path = dir; name = "renamed"; };
    flat = builtins.path { path = dir + "/file"; recursive = false; name = "flat"; };
  };
  graph = drv { name = "graph"; exportReferencesGraph = [ "closure" (chain 5).drvPath ]; };
  passAs = drv { name = "pass-as-file"; passAsFile = [ "big" ]; big = builtins.concatStringsSep "\n" (builtins.genList toString 2000); };
}
