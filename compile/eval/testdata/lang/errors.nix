let f = { a = 1; }; in { g = f; }
# attr g.a.b
### error "the expression selected by the selection path 'g.a.b' should be a set but is an integer"
---
{ g = 1; }
# attr g.0
### error "the expression selected by the selection path 'g.0' should be a list but is an integer"
---
{ g = [ 1 2 ]; }
# attr g.2
### error "list index 2 in selection path 'g.2' is out of range"
---
{ g = [ { h = { x ? 7 }: { y = x; }; } ]; }
# attr g.0.h.y
### 7
---
{ }
# attr a..b
### error "attribute 'a' in selection path 'a..b' not found"
---
{ }
# attr nowhere
### error "attribute 'nowhere' in selection path 'nowhere' not found"
---
{ "a.b" = 1; }
# attr "a.b"
### 1
---
{ "a.b" = 1; }
# attr "a.b
### error "missing closing quote in selection path '\"a.b'"
---
{ a, b ? 1 }: a
# attr a
### error "cannot evaluate a function that has an argument without a value ('a')\nNix attempted to evaluate a function as a top level expression; in\nthis case it must have its arguments supplied either by default\nvalues, or passed explicitly with '--arg' or '--argstr'. See\nhttps://nix.dev/manual/nix/stable/language/syntax.html#functions."
---
assert { a = 1; } == { b = 1; }; 1
# nix 2.34.0
### error "attribute name 'a' is contained in '{ a = 1; }', but not in '{ b = 1; }'"
---
builtins.addDrvOutputDependencies "x"
### error "context of string 'x' must have exactly one element, but has 0"
---
builtins.addDrvOutputDependencies "${derivation { name = "x"; system = "s"; builder = "b"; }}"
### error "`addDrvOutputDependencies` can only act on derivations, not on a derivation output such as 'out'"
---
builtins.addDrvOutputDependencies (builtins.toFile "x" "y")
### error "path '/nix/store/lfngsssysp6h1v4ccqg23c52s9sjl779-x' is not a derivation"
---
let d = derivation { name = "x"; system = "s"; builder = "b"; }; in builtins.getContext (builtins.addDrvOutputDependencies (builtins.unsafeDiscardOutputDependency d.drvPath))
### { "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv" = { allOutputs = true; }; }
---
builtins.appendContext "x" { "/nix/store/4z3vq9sgbx4i3p3qb1xj2b3w0z5v4s6n-x".allOutputs = true; }
### error "tried to add all-outputs context of \"/nix/store/4z3vq9sgbx4i3p3qb1xj2b3w0z5v4s6n-x\", which is not a derivation, to a string"
---
builtins.appendContext "x" { "/nix/store/4z3vq9sgbx4i3p3qb1xj2b3w0z5v4s6n-x".outputs = [ "out" ]; }
### error "tried to add derivation output context of \"/nix/store/4z3vq9sgbx4i3p3qb1xj2b3w0z5v4s6n-x\", which is not a derivation, to a string"
---
builtins.warn "beware" 1
# abort-on-warn
### error "aborting to reveal stack trace of warning, as abort-on-warn is set"
### trace evaluation warning: beware
---
builtins.warn "beware" 1
### 1
### trace evaluation warning: beware
---
builtins.traceVerbose "hm" 1
### 1
---
builtins.traceVerbose "hm" 1
# trace-verbose
### 1
### trace trace: hm
---
builtins.break 3
### 3
---
derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "drv" ]; }
### error "invalid derivation output name 'drv'"
---
derivation { name = "x"; system = "s"; builder = "b"; outputs = [ ]; }
### error "'builtins.head' called on an empty list"
---
derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; outputHash = "0ssi1wpaf7plaswqqjwigppsg5fyh99vdlb9kzl7c9lng89ndq1i"; outputHashAlgo = "sha256"; }
### error "multiple outputs are not supported in fixed-output derivations"
---
derivation { name = "x"; system = "s"; builder = "b"; outputHash = ""; }
### error "empty hash requires explicit hash algorithm"
---
(derivation { name = "x"; system = "s"; builder = "b"; __contentAddressed = true; }).drvPath
### error "experimental Nix feature 'ca-derivations' is disabled; add '--extra-experimental-features ca-derivations' to enable it"
---
(derivation { name = "x"; system = "s"; builder = "b"; __impure = true; }).drvPath
### error "experimental Nix feature 'impure-derivations' is disabled; add '--extra-experimental-features impure-derivations' to enable it"
---
builtins.attrNames (builtins.derivationStrict { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; })
### [ "dev" "drvPath" "out" ]
---
builtins.fetchurl "https://example.org/x"
### error "fetchurl: nothing can be fetched here"
---
builtins.fetchTarball { name = "x"; }
### error "'url' argument required"
---
builtins.fetchurl { url = "https://example.org/x"; hash = "x"; }
### error "unsupported argument 'hash' to 'fetchurl'"
---
builtins.fetchurl { url = "https://example.org/x"; sha256 = "x"; }
### error "hash 'x' has wrong length for hash algorithm 'sha256'"
---
builtins.fetchurl "https://example.org/~x"
### error "invalid store path name when fetching URL 'https://example.org/~x': name '~x' contains illegal character '~'. Please pass an attribute set with 'url' and 'name' attributes to 'fetchurl',  so that it can create a valid store path."
---
builtins.fetchurl { url = "https://example.org/~x"; }
### error "invalid store path name when fetching URL 'https://example.org/~x': name '~x' contains illegal character '~'. Please add a valid 'name' attribute to the argument for 'fetchurl', so that it can create a valid store path."
---
builtins.fetchTarball { url = "https://example.org/x"; name = "~x"; }
### error "invalid store path name when fetching URL 'https://example.org/x': name '~x' contains illegal character '~'. Please change the value for the 'name' attribute passed to 'fetchTarball', so that it can create a valid store path."
---
builtins.fetchTarball "https://example.org/x"
# pure
### error "in pure evaluation mode, 'fetchTarball' requires a 'sha256' argument"
---
builtins.fetchGit { url = ./files; }
### error "fetchGit: nothing can be fetched here"
---
builtins.fetchMercurial "https://example.org/x"
### error "fetchMercurial: Mercurial is left to Nix: evaluate the fleet with --evaluator nix"
---
builtins ? fetchTree
### false
---
builtins.fetchTree { type = "git"; depth = -1; }
# feature fetch-tree
### error "negative value given for 'fetchTree' argument 'depth': -1"
---
builtins ? getFlake || builtins ? outputOf || builtins ? fetchClosure
### false
---
builtins.getFlake "x"
# feature flakes
### error "flake input 'flake:x': nothing can be fetched here"
---
builtins.parseFlakeRef "x"
# feature flakes
### { id = "x"; type = "indirect"; }
---
builtins.flakeRefToString { }
# feature flakes
### error "'type' attribute to specify input scheme is required but not provided"
---
builtins.fetchClosure { }
# feature fetch-closure
### error "builtins.fetchClosure is left to Nix: evaluate with --evaluator nix"
---
builtins.outputOf "x" "out"
# feature dynamic-derivations
### error "builtins.outputOf is left to Nix: evaluate with --evaluator nix"
---
builtins.findFile [ { prefix = ""; path = "flake:nixpkgs"; } ] "x"
# feature flakes
### error "flake input 'flake:nixpkgs': nothing can be fetched here"
---
builtins.findFile [ { prefix = ""; path = "https://example.org/x.tar.gz"; } ] "x"
### error "search path entry 'https://example.org/x.tar.gz': nothing can be fetched here"
---
builtins.findFile [ { prefix = ""; path = "nowhere"; } ] "x"
### error "file 'x' was not found in the Nix search path (add it using $NIX_PATH or -I)"
---
builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "base15"; }
### error "unknown hash format 'base15', expect 'base16', 'base32', 'base64', or 'sri'"
---
builtins.toJSON { __toString = self: { }; }
# nix 2.34.0
### error "`__toString` must return a string, but got a set: { }"
---
builtins.toJSON { __toString = self: 1; }
# nix 2.34.0
### error "`__toString` should return a string, but got an integer: 1"
---
builtins.toJSON (builtins.substring 0 1 "é")
### error "JSON serialization error: [json.exception.type_error.316] incomplete UTF-8 string; last byte: 0xC3"
---
builtins.toJSON (builtins.substring 1 1 "é")
### error "JSON serialization error: [json.exception.type_error.316] invalid UTF-8 byte at index 0: 0xA9"
---
builtins.ceil 9007199254740993
# nix 2.34.0
### error "Due to a bug (see https://github.com/NixOS/nix/issues/12899) a loss of precision occurred in previous Nix versions because the NixInt argument 9007199254740993 was rounded to 9007199254740992.\n\tFuture Nix versions might implement the correct behavior."
---
builtins.floor 1.0e300
# nix 2.34.0
### error "NixFloat argument 1e+300 is not in the range of NixInt"
---
"${./files + "/x.drv"}"
### error "file names are not allowed to end in '.drv'"
---
builtins.toFile "x" "${derivation { name = "y"; system = "s"; builder = "b"; }}"
### error "files created by builtins.toFile may not reference derivations, but x references !out!ak0fmizw475y21l5bz99gnd6ha6an8bj-y.drv"
---
builtins.path { path = builtins.toFile "x" "y"; name = "z"; }
### error "a copy of the text '/nix/store/lfngsssysp6h1v4ccqg23c52s9sjl779-x' is left to Nix"
---
builtins.path { path = ./files + "/nowhere"; }
### error "path '/testdata/files/nowhere' does not exist"
---
"${./files/nowhere}"
### error "path '/testdata/files/nowhere' does not exist"
---
builtins.storePath "/nix/store/4z3vq9sgbx4i3p3qb1xj2b3w0z5v4s6n-x"
# pure
### error "'builtins.storePath' is not allowed in pure evaluation mode"
---
builtins.storePath /nowhere
### error "path '/nowhere' is not in the Nix store"
---
import (derivation { name = "x"; system = "s"; builder = "b"; })
### error "cannot build '/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv^out' during evaluation: import from derivation is not available here"
---
import (derivation { name = "x"; system = "s"; builder = "b"; })
# no-import-from-derivation
### error "cannot build '/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv^out' during evaluation because the option 'allow-import-from-derivation' is disabled"
---
~/x
# pure
### error "the path '~/x' can not be resolved in pure mode"
---
9223372036854775807 + 1
# nix 2.34.0
### error "integer overflow in adding 9223372036854775807 + 1"
---
(-9223372036854775807 - 1) / (-1)
### error "integer overflow in dividing -9223372036854775808 / -1"
---
(-9223372036854775807) - 2
# nix 2.34.0
### error "integer overflow in subtracting -9223372036854775807 - 2"
---
9223372036854775807 * 2
# nix 2.34.0
### error "integer overflow in multiplying 9223372036854775807 * 2"
---
9223372036854775807 + 1
# nix 2.18.0
### -9223372036854775808
---
builtins.currentTime
### 1
---
builtins.currentTime or "none"
# pure
### "none"
---
builtins.currentSystem or "none"
# pure
### "none"
---
builtins.nixPath
# pure
### [ ]
---
builtins.getEnv "NAME"
# pure
### ""
---
builtins.getEnv "NAME"
# restricted
### ""
---
builtins.readFile "/nowhere"
# pure
### error "access to absolute path '/nowhere' is forbidden in pure evaluation mode (use '--impure' to override)"
---
builtins.readFile "/nowhere"
# restricted
### error "access to absolute path '/nowhere' is forbidden in restricted mode"
---
builtins.pathExists "/nowhere"
# restricted
### false
---
builtins.readFile <here/files/text>
# restricted
### "a file\n"
---
<here>
# pure
### error "cannot look up '<here>' in pure evaluation mode (use '--impure' to override)"
---
[ builtins.langVersion builtins.storeDir builtins.nixVersion ]
### [ 6 "/nix/store" "2.18.9" ]
---
builtins.nixVersion
# nix 2.34.0
### "2.34.0"
---
https://example.org/x
# url-literals fatal
### error "URL literals are disallowed. Consider using a string literal \"https://example.org/x\" instead (lint-url-literals)"
---
https://example.org/x
# url-literals warn
### "https://example.org/x"
### trace warning: URL literals are discouraged. Consider using a string literal "https://example.org/x" instead (lint-url-literals)
### trace          at «string»:1:1
---
[ files/text ./files/text ]
# short-path-literals fatal
### error "relative path literal 'files/text' should be prefixed with '.' for clarity: './files/text' (lint-short-path-literals)"
---
map baseNameOf [ files/text files/${"link"} ]
# short-path-literals warn
### [ "text" "link" ]
### trace warning: relative path literal 'files/text' should be prefixed with '.' for clarity: './files/text' (lint-short-path-literals)
### trace          at «string»:1:18
### trace warning: relative path literal 'files/' should be prefixed with '.' for clarity: './files/' (lint-short-path-literals)
### trace          at «string»:1:29
---
baseNameOf /x/y
# absolute-path-literals fatal
### error "absolute path literals are not portable. Consider replacing path literal '/x/y' by a string, relative path, or parameter (lint-absolute-path-literals)"
---
baseNameOf ~/y
# absolute-path-literals warn
### "y"
### trace warning: home path literals are not portable. Consider replacing path literal '~/y' by a string, relative path, or parameter (lint-absolute-path-literals)
### trace          at «string»:1:12
---
1 |> builtins.toString
### error "experimental Nix feature 'pipe-operators' is disabled; add '--extra-experimental-features pipe-operators' to enable it"
---
1 |> builtins.toString
# feature pipe-operators
### "1"
---
builtins.toString <| 1
# feature pipe-operators
### "1"
---
builtins.readFile ./broken/loop
### error "infinite symlink recursion in path '/testdata/broken/loop'"
---
import ./broken/loop
### error "infinite symlink recursion in path '/testdata/broken/loop'"
---
builtins.readFile ./broken/zero
### error "the contents of the file '/testdata/broken/zero' cannot be represented as a Nix string"
---
import /dev/null
### error "syntax error, unexpected end of file"
---
builtins.readFile /dev/null
### ""
---
let f = x: builtins.add x (f x); in f 1
# nix 2.34.0
### error "stack overflow; max-call-depth exceeded"
---
let x = { inherit (x) y; }; in x.y
### error "infinite recursion encountered"
