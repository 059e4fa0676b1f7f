builtins.readFile ./files/text    ### "a file\n"
---
builtins.readFile ./files/missing    ### error "path '/testdata/files/missing' does not exist"
---
builtins.readFile ./files    ### error "read of 4096 bytes: Is a directory"
---
builtins.readDir ./files    ### { "fn.nix" = "regular"; link = "symlink"; "scoped.nix" = "regular"; sub = "directory"; text = "regular"; }
---
builtins.readDir ./files/text    ### error "'/testdata/files/text' is not a directory"
---
builtins.readFileType ./files/link    ### "symlink"
---
builtins.readFileType ./files/text    ### "regular"
---
builtins.readFileType ./files/sub    ### "directory"
---
builtins.pathExists ./files/text    ### true
---
builtins.pathExists ./files/missing    ### false
---
builtins.pathExists "${toString ./files/text}/"    ### false
---
builtins.pathExists "${toString ./files}/"    ### true
---
import ./files/sub    ### "from default.nix"
---
import ./files/fn.nix { x = 1; }    ### { x = 1; y = 1; }
---
import ./files/missing    ### error "path '/testdata/files/missing' does not exist"
---
import "files/fn.nix"    ### error "string 'files/fn.nix' doesn't represent an absolute path"
---
builtins.scopedImport { x = 2; } ./files/scoped.nix    ### 3
---
builtins.scopedImport { } ./files/scoped.nix    ### error "undefined variable 'x'"
---
<here>    ### /testdata
---
<here/files/text>    ### /testdata/files/text
---
<text>    ### /testdata/files/text
---
<missing/thing>    ### error "file 'missing/thing' was not found in the Nix search path (add it using $NIX_PATH or -I)"
---
builtins.findFile [ { path = "/"; prefix = "root"; } ] "root/etc/passwd"    ### /etc/passwd
---
builtins.findFile [ ] "x"    ### error "file 'x' was not found in the Nix search path (add it using $NIX_PATH or -I)"
---
"${./files/text}"    ### "/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text"
---
"${./files}"    ### "/nix/store/88zp2nlrlfnnd5n50m5mgqfs3dp39dc7-files"
---
builtins.path { path = ./files; name = "n"; }    ### "/nix/store/bfviblfl7y7g9k7dc3dlmabif2xak1yx-n"
---
builtins.path { path = ./files/text; recursive = false; }    ### "/nix/store/7q3abvdkvwivb8q9bys50q0x4cs2p1ai-text"
---
builtins.path { path = ./files/text; sha256 = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="; }    ### error "store path mismatch in (possibly filtered) path added from '/testdata/files/text': specified sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, got sha256-SuGnHVB6IkHvNR9ED//pBY0J657HYmx8E44bLiYTMko="
---
builtins.path { name = "x"; }    ### error "missing required 'path' attribute in the first argument to 'builtins.path'"
---
builtins.path { path = ./files; bogus = 1; }    ### error "unsupported argument 'bogus' to 'builtins.path'"
---
builtins.filterSource (p: t: t != "directory") ./files    ### "/nix/store/3pcsq1zl3k8rn5zz7n09y7f9mny2nxfn-files"
---
builtins.path { path = ./files; filter = p: t: baseNameOf p != "text"; }    ### "/nix/store/rn84jfk8pkdzmkxskwryl4qqhgbzwji7-files"
---
builtins.toFile "a" "text"    ### "/nix/store/znvscj76jsnvyjqabi70np3mf4lm3gy4-a"
---
builtins.toFile "a" "${./files/text}"    ### "/nix/store/sz3mfx71626q3pjf1hs3r6h3s4pld5ak-a"
---
builtins.toFile "a b" ""    ### error "invalid store path name: name 'a b' contains illegal character ' '"
---
builtins.hashFile "sha256" ./files/text    ### "da69f286f03c0d2131b3f95afe7c8d31b4f65cbf5ca49a12c41d8bf02d366a34"
---
builtins.hasContext "${./files/text}"    ### true
---
builtins.getContext "${./files/text}"    ### { "/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text" = { path = true; }; }
---
builtins.getContext (builtins.toFile "a" "")    ### { "/nix/store/rjpa7kdyl9a1irk0c5q47h80g8sam5p8-a" = { path = true; }; }
---
builtins.attrNames (builtins.getContext "${derivation { name = "x"; system = "s"; builder = "b"; }}")    ### [ "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv" ]
---
builtins.attrValues (builtins.getContext "${derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }} ${(derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "dev" ]; }).dev}")    ### [ { outputs = [ "dev" "out" ]; } ]
---
builtins.attrValues (builtins.getContext (derivation { name = "x"; system = "s"; builder = "b"; }).drvPath)    ### [ { allOutputs = true; } ]
---
builtins.appendContext "a" { "/nix/store/97qlv6h78lxlm9zc8849ahsbcklhsi2y-x" = { path = true; }; }    ### "a"
---
builtins.appendContext "a" { "x" = { path = true; }; }    ### error "context key 'x' is not a store path"
---
builtins.appendContext "a" { "/nix/store/97qlv6h78lxlm9zc8849ahsbcklhsi2y-x" = { outputs = [ "out" ]; }; }    ### error "tried to add derivation output context of \"/nix/store/97qlv6h78lxlm9zc8849ahsbcklhsi2y-x\", which is not a derivation, to a string"
---
builtins.getContext (builtins.appendContext "a" { "/nix/store/97qlv6h78lxlm9zc8849ahsbcklhsi2y-x.drv" = { outputs = [ "out" "dev" ]; allOutputs = true; }; })    ### { "/nix/store/97qlv6h78lxlm9zc8849ahsbcklhsi2y-x.drv" = { allOutputs = true; outputs = [ "dev" "out" ]; }; }
---
builtins.unsafeDiscardStringContext "${./files/text}"    ### "/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text"
---
builtins.hasContext (builtins.unsafeDiscardStringContext "${./files/text}")    ### false
---
builtins.getContext (builtins.unsafeDiscardOutputDependency (derivation { name = "x"; system = "s"; builder = "b"; }).drvPath)    ### { "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv" = { path = true; }; }
---
{ ${"${./files/text}"} = 1; }    ### error "the string '/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text' is not allowed to refer to a store path (such as '/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text')"
---
builtins.getAttr "${./files/text}" { }    ### error "the string '/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text' is not allowed to refer to a store path (such as '/nix/store/gkpqjhy3b58i8i5q78b3m6d2q0j6hpmg-text')"
---
/a + "${./files/text}"    ### error "a string that refers to a store path cannot be appended to a path"
---
(derivation { name = "x"; system = "s"; builder = "b"; }).drvPath    ### "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv"
---
(derivation { name = "x"; system = "s"; builder = "b"; }).outPath    ### "/nix/store/gwwjwi08fyrbrz2d8zkfvy65nzzq2czp-x"
---
(derivation { name = "x"; system = "s"; builder = "b"; a = 1; b = true; c = null; d = [ 1 "x" ./files/text ]; e = ./files; args = [ "a" 1 ]; }).drvPath    ### "/nix/store/dyi0rnsn77nzfk5ikg8bfmlmd8ps8ip3-x.drv"
---
(derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "out" "dev" "man" ]; }).man.outPath    ### "/nix/store/nk1i33m07dsmc1py1g7ppkpnjx7pkd0p-x-man"
---
(derivation { name = "x"; system = "s"; builder = "b"; outputHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; }).outPath    ### "/nix/store/9zicq1m4wy4bv50xa4l1jk4kpyy41kih-x"
---
(derivation { name = "x"; system = "s"; builder = "b"; outputHashAlgo = "sha256"; outputHashMode = "recursive"; outputHash = "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"; }).drvPath    ### "/nix/store/ia7dy5qqxgrn1ww99a1bkbz4nxq3gllr-x.drv"
---
(derivation { name = "x"; system = "s"; builder = "b"; outputHashAlgo = "sha1"; outputHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"; }).drvPath    ### "/nix/store/5q8i1ayckh5wagqk2hb7ns59ipp0alck-x.drv"
---
(derivation { name = "x"; system = "s"; builder = "b"; __structuredAttrs = true; a = { b = [ 1 null 1.5 "x" ]; }; p = ./files/text; outputs = [ "out" "dev" ]; }).drvPath    ### "/nix/store/06jq7kpdy863nd640mskmfrpdcv5x43d-x.drv"
---
(derivation { name = "x"; system = "s"; builder = "b"; __ignoreNulls = true; a = null; }).drvPath    ### "/nix/store/5wq5jx7219pmi3xklyhl77fjbqvy6qaj-x.drv"
---
(derivation { name = "y"; system = "s"; builder = "b"; x = derivation { name = "x"; system = "s"; builder = "b"; }; drv = (derivation { name = "x"; system = "s"; builder = "b"; }).drvPath; }).drvPath    ### "/nix/store/z4yi5lvi5x5s20ms5aa6zxcq5z4mq0qh-y.drv"
---
(derivation { system = "s"; builder = "b"; }).drvPath    ### error "attribute 'name' missing"
---
(derivation { name = "x"; builder = "b"; }).drvPath    ### error "required attribute 'system' missing"
---
(derivation { name = "x"; system = "s"; }).drvPath    ### error "required attribute 'builder' missing"
---
(derivation { name = "x.drv"; system = "s"; builder = "b"; }).drvPath    ### error "derivation names are allowed to end in '.drv' only if they produce a single derivation file"
---
(derivation { name = "x y"; system = "s"; builder = "b"; }).drvPath    ### error "invalid derivation name: name 'x y' contains illegal character ' '. Please pass a different 'name'."
---
(derivation { name = "x"; system = "s"; builder = "b"; outputs = [ ]; }).drvPath    ### error "'builtins.head' called on an empty list"
---
(derivation { name = "x"; system = "s"; builder = "b"; outputs = [ "a" "a" ]; }).drvPath    ### error "duplicate derivation output 'a'"
---
(derivation { name = "x"; system = "s"; builder = "b"; outputHashMode = "foo"; }).drvPath    ### error "invalid value 'foo' for 'outputHashMode' attribute"
---
(derivation { name = "x"; system = "s"; builder = "b"; f = x: x; }).drvPath    ### error "cannot coerce a function to a string: «lambda f @ «string»:1:60»"
---
(derivation { name = "x"; system = "s"; builder = "b"; }) == (derivation { name = "x"; system = "s"; builder = "b"; z = 1; } // { outPath = (derivation { name = "x"; system = "s"; builder = "b"; }).outPath; })    ### true
---
(derivation { name = "x"; system = "s"; builder = "b"; }).type    ### "derivation"
---
builtins.toJSON (derivation { name = "x"; system = "s"; builder = "b"; })    ### "\"/nix/store/gwwjwi08fyrbrz2d8zkfvy65nzzq2czp-x\""
---
builtins.storePath "/nix"    ### error "path '/nix' is not in the Nix store"
---
builtins.getEnv "NAME"    ### "value"
---
builtins.getEnv "OTHER"    ### ""
---
# nix 2.34.8
builtins.path { path = ./files/link; name = "x"; } == builtins.path { path = ./files/text; name = "x"; }    ### true
---
# nix 2.20.9
builtins.path { path = ./files/link; name = "x"; } == builtins.path { path = ./files/text; name = "x"; }    ### false
---
# nix 2.34.8
builtins.filterSource (p: t: true) ./files/link == "${builtins.path { path = ./files/text; name = "link"; }}"    ### true
---
# nix 2.34.8
"${./files/link}" == "${builtins.path { path = ./files/text; name = "link"; }}"    ### false
