# Programs on which random testing found a difference from Nix.
let x = [ (throw "no") ]; in x == x    ### error "no"
---
builtins.fromJSON "\"\\ud800\""    ### error "[json.exception.parse_error.101] parse error: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"
---
builtins.fromJSON "\"\\ud800\\u0041\""    ### error "[json.exception.parse_error.101] parse error: syntax error while parsing value - invalid string: surrogate U+D800..U+DBFF must be followed by U+DC00..U+DFFF"
---
builtins.fromJSON "\"\\udc00\""    ### error "[json.exception.parse_error.101] parse error: syntax error while parsing value - invalid string: surrogate U+DC00..U+DFFF must follow U+D800..U+DBFF"
---
builtins.fromJSON "[ \"\\ud83d\\ude00\", \"\\\\ud800\" ]"    ### [ "😀" "\\ud800" ]
---
builtins.sort (a: b: a.k <= b.k) [ { k = throw "first"; } { k = throw "second"; } { k = 0; } ]    ### error "first"
---
let x = throw "no"; in builtins.elem x [ x ]    ### error "no"
---
let x = [ (x == x) ]; in x    ### error "infinite recursion encountered"
---
{ "" = throw "looked at"; a = 1; } == { a = 2; "" = 1; }    ### error "looked at"
---
let x = [ (y: y) ]; in x == x    ### true
---
# nix 2.8.0
builtins.toJSON [ 1.0 123456789.0 (builtins.fromJSON "\"\\b\\f\"") ]    ### "[1,1.23457e+08,\"\\u0008\\u000c\"]"
---
# nix 2.12.0
builtins.toJSON [ 1.0 123456789.0 (builtins.fromJSON "\"\\b\\f\"") ]    ### "[1.0,123456789.0,\"\\b\\f\"]"
---
# nix 2.8.0
[ (builtins.ceil 9007199254740993) (builtins.ceil 9223372036854775807) (builtins.floor (-1.0e300)) ]    ### [ 9007199254740992 -9223372036854775808 -9223372036854775808 ]
---
# nix 2.34.0
builtins.floor 1.0e300    ### error "NixFloat argument 1e+300 is not in the range of NixInt"
---
# nix 2.8.0
builtins.fromJSON "[9223372036854775808,18446744073709551616]"    ### [ -9223372036854775808 1.84467e+19 ]
---
# nix 2.26.0
builtins.fromJSON "9223372036854775808"    ### error "unsigned json number 9223372036854775808 outside of Nix integer range"
---
# nix 2.8.0
builtins.filter (throw "looked at") [ ]    ### error "looked at"
---
# nix 2.8.0
builtins.genList (throw "looked at") 0    ### [ ]
---
# nix 2.26.0
[ (builtins.filter (throw "looked at") [ ]) (builtins.sort (throw "looked at") [ ]) (builtins.genericClosure { startSet = [ ]; }) ]    ### [ [ ] [ ] [ ] ]
---
# nix 2.26.0
builtins.genList (throw "looked at") 0    ### error "looked at"
---
[ (builtins.tryEval (builtins.sort builtins.lessThan [ (throw "x") ])) (builtins.tryEval (builtins.partition (x: true) [ (throw "x") ])) ]    ### [ { success = false; value = false; } { success = false; value = false; } ]
---
builtins.listToAttrs [ { name = "a"; value = 1; } { name = "a"; } ]    ### { a = 1; }
---
let inf = 1.0e300 * 1.0e300; in [ inf (-inf) (toString inf) (toString (-inf)) (builtins.toJSON inf) ]    ### [ inf -inf "inf" "-inf" "null" ]
---
(derivation { name = "x"; system = "s"; builder = "b"; outputHash = "sha256-nbrmg9SqCqMrLE7WCfNEzMV/eS9UVCKCrjBrGMzAsLk"; }).drvPath    ### "/nix/store/nanni92v0d4ygw8bic6y1lj8pjbpg5jn-x.drv"
---
(builtins.tryEval (builtins.addErrorContext (throw "what is said of it") (1 + { }))).success    ### false
---
builtins.tryEval (builtins.addErrorContext (1 + { }) (throw "x"))    ### error "cannot add a set to an integer"
---
# nix 2.34.0
(throw "left") // (throw "right")    ### error "right"
---
# nix 2.26.0
(throw "left") // (throw "right")    ### error "left"
---
builtins.toXML ({ ... }@args: args)    ### "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n  <function>\n    <attrspat ellipsis=\"1\" name=\"args\">\n    </attrspat>\n  </function>\n</expr>\n"
---
# nix 2.8.0
(builtins.partition (l: true) [ (builtins.genList (throw "no") 3) ]).wrong    ### [ ]
---
# nix 2.34.0
(builtins.partition (l: true) [ (builtins.genList (throw "no") 3) ]).wrong    ### error "no"
---
# nix 2.34.0
builtins.toJSON [ (builtins.substring 0 1 "é") (throw "first") ]    ### error "first"
---
# nix 2.8.0
builtins.replaceStrings [ "o" ] [ (throw "unused") ] "a"    ### error "unused"
---
# nix 2.34.0
builtins.replaceStrings [ "o" ] [ (throw "unused") ] "a"    ### "a"
---
[ (builtins.tryEval 1).success (builtins.fromJSON " [1] ") ]    ### [ true [ 1 ] ]
---
builtins.fromJSON "0]"    ### error "cannot decode JSON: text after the value"
---
builtins.fromJSON "[1]]"    ### error "cannot decode JSON: text after the value"
---
builtins.fromJSON "{}]"    ### error "cannot decode JSON: text after the value"
---
builtins.fromJSON "{}}"    ### error "cannot decode JSON: text after the value"
---
builtins.fromJSON "[1e-400, -1e-400]"    ### [ 0 -0 ]
---
[ 0.0e-400 ./a//b${"x"} ] == [ 0 ./a/bx ]    ### true
---
let d = { type = "derivation"; outPath = "p"; x = 1; }; in [ (d == d // { x = 2; }) (d == removeAttrs d [ "type" ]) (d == d // { outPath = "q"; }) (removeAttrs d [ "outPath" ] == d) ]    ### [ true false false false ]
---
{ outPath = "p"; x = 1; } == { outPath = "p"; x = 2; }    ### false
---
let d = { type = "derivation"; outPath = x: x; a = x: x; }; in [ (d == d) ([ d ] == [ d ]) (d == d // { }) ({ inherit (d) type outPath a; } == d) ]    ### [ true true true false ]
---
{ type = "derivation"; outPath = throw "a"; } == { type = throw "second"; outPath = "a"; }    ### error "second"
---
# nix 2.8.0
map (attr: (derivation ({ name = "a"; system = "x"; builder = "b"; } // attr)).drvPath) [ { } { __contentAddressed = false; } { __impure = false; } { __structuredAttrs = true; __impure = false; } ]    ### [ "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/nq5sbfgcf3rivgrj0qz10wmmg34j7j3k-a.drv" ]
---
# nix 2.26.3
map (attr: (derivation ({ name = "a"; system = "x"; builder = "b"; } // attr)).drvPath) [ { } { __contentAddressed = false; } { __impure = false; } { __structuredAttrs = true; __impure = false; } ]    ### [ "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/alvp9jppmqxnx7ml4rb4d1ck4pmgn247-a.drv" "/nix/store/l0a826mbvqj2w5b3pyicsfwqzrx9swwc-a.drv" "/nix/store/4pxfgbnnya3by60a3v82aj80afvwpnwc-a.drv" ]
---
# nix 2.34.8
map (attr: (derivation ({ name = "a"; system = "x"; builder = "b"; } // attr)).drvPath) [ { } { __contentAddressed = false; } { __impure = false; } { __structuredAttrs = true; __impure = false; } ]    ### [ "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/nnqh7675wghd0xmrywqm2yh9psrkk13q-a.drv" "/nix/store/nq5sbfgcf3rivgrj0qz10wmmg34j7j3k-a.drv" ]
---
{ }."web 1"    ### error "attribute '\"web 1\"' missing"
---
# nix 2.8.0
{ }."web 1"    ### error "attribute 'web 1' missing"
---
builtins.getAttr "if" { }    ### error "attribute '\"if\"' missing"
---
({ a }: a) { a = 1; "b c" = 2; }    ### error "function 'anonymous lambda' called with unexpected argument '\"b c\"'"
---
# nix 2.18.9
builtins.trace { a = 1 + 1; l = [ builtins.head (builtins.add 1) ]; } 1    ### 1
### trace trace: { a = <CODE>; l = <CODE>; }
---
# nix 2.18.9
let x = builtins.trace { x = x; } true; in x    ### true
### trace trace: { x = «potential infinite recursion»; }
---
# nix 2.26.3
builtins.trace { a = 1 + 1; l = [ 1 ]; } 1    ### 1
### trace trace: { a = «thunk»; l = «thunk»; }
