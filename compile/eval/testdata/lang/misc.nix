builtins.typeOf 1    ### "int"
---
map builtins.typeOf [ 1 1.0 true null "a" /a [ ] { } (x: x) builtins.map (builtins.map 1) ]    ### [ "int" "float" "bool" "null" "string" "path" "list" "set" "lambda" "lambda" "lambda" ]
---
[ (builtins.isNull null) (builtins.isInt 1) (builtins.isFloat 1.0) (builtins.isBool true) (builtins.isString "") (builtins.isPath /a) (builtins.isList [ ]) (builtins.isAttrs { }) (builtins.isFunction builtins.add) ]    ### [ true true true true true true true true true ]
---
isNull 1    ### false
---
builtins.ceil 1.2    ### 2
---
builtins.ceil (-1.2)    ### -1
---
builtins.floor 1.8    ### 1
---
builtins.floor (-1.8)    ### -2
---
builtins.floor 3    ### 3
---
builtins.floor "a"    ### error "expected a float but found a string: \"a\""
---
builtins.add 1 2.5    ### 3.5
---
builtins.sub 1 2    ### -1
---
builtins.mul 3 4    ### 12
---
builtins.div 7 (-2)    ### -3
---
builtins.div 7 0    ### error "division by zero"
---
builtins.div 7.0 0    ### error "division by zero"
---
builtins.bitAnd 12 10    ### 8
---
builtins.bitOr 12 10    ### 14
---
builtins.bitXor 12 10    ### 6
---
builtins.bitAnd 1.0 1    ### error "expected an integer but found a float: 1"
---
[ 0.1 1e-7 123456789.0 1e300 100000.0 1000000.0 (0.1 + 0.2) (-0.0) ]    ### error "undefined variable 'e-7'"
---
builtins.toJSON [ 0.1 1e-7 123456789.0 1e300 100000.0 1.0 (-0.0) ]    ### error "undefined variable 'e-7'"
---
builtins.toJSON { a = 1; b = [ true null "x\n\"\\\t" ]; c = { __toString = self: "s"; }; d = { outPath = "p"; x = 1; }; }    ### "{\"a\":1,\"b\":[true,null,\"x\\n\\\"\\\\\\t\"],\"c\":\"s\",\"d\":\"p\"}"
---
builtins.toJSON (x: x)    ### error "cannot convert a function to JSON"
---
builtins.toJSON "é\u0001"    ### "\"éu0001\""
---
builtins.fromJSON "{\"a\": [1, 2.5, true, null, \"x\\u00e9\"], \"b\": {}}"    ### { a = [ 1 2.5 true null "xé" ]; b = { }; }
---
builtins.fromJSON "[1"    ### error "cannot decode JSON: EOF"
---
builtins.fromJSON "1e3"    ### 1000
---
builtins.fromJSON "-0"    ### 0
---
builtins.fromJSON "9223372036854775807"    ### 9223372036854775807
---
builtins.fromJSON "{\"a\": 1, \"a\": 2}"    ### { a = 2; }
---
builtins.toXML { a = 1; b = [ "x<y" ]; c = { a, b ? 1 }: a; d = x: x; e = null; f = 1.5; }    ### "<?xml version='1.0' encoding='utf-8'?>\n<expr>\n  <attrs>\n    <attr name=\"a\">\n      <int value=\"1\" />\n    </attr>\n    <attr name=\"b\">\n      <list>\n        <string value=\"x&lt;y\" />\n      </list>\n    </attr>\n    <attr name=\"c\">\n      <function>\n        <attrspat>\n          <attr name=\"a\" />\n          <attr name=\"b\" />\n        </attrspat>\n      </function>\n    </attr>\n    <attr name=\"d\">\n      <function>\n        <varpat name=\"x\" />\n      </function>\n    </attr>\n    <attr name=\"e\">\n      <null />\n    </attr>\n    <attr name=\"f\">\n      <float value=\"1.5\" />\n    </attr>\n  </attrs>\n</expr>\n"
---
builtins.fromTOML "a = 1\nb.c = \"x\"\n[t]\nd = [1, 2]\n[[l]]\nx = 1\n[[l]]\nx = 2\n"    ### { a = 1; b = { c = "x"; }; l = [ { x = 1; } { x = 2; } ]; t = { d = [ 1 2 ]; }; }
---
builtins.fromTOML "a = {b = 1, c.d = 2}\nf = 1.5\nh = 0xff\nm = '''\nx'''\n"    ### { a = { b = 1; c = { d = 2; }; }; f = 1.5; h = 255; m = "x"; }
---
builtins.fromTOML "a = 1\na = 2"    ### error "while parsing TOML: duplicate key 'a'"
---
builtins.fromTOML "a = 1_e0"    ### error "while parsing TOML: invalid number '1_e0': '_' stands between digits only"
---
builtins.fromTOML "a = 1e_0"    ### error "while parsing TOML: invalid number '1e_0': '_' stands between digits only"
---
builtins.fromTOML "a = 1.0_e1"    ### error "while parsing TOML: invalid number '1.0_e1': '_' stands between digits only"
---
builtins.fromTOML "a = 1.0e+_1"    ### error "while parsing TOML: invalid number '1.0e+_1': '_' stands between digits only"
---
builtins.fromTOML "a = 1_.0"    ### error "while parsing TOML: invalid number '1_.0': '_' stands between digits only"
---
builtins.fromTOML "a = 1._0"    ### error "while parsing TOML: invalid number '1._0': '_' stands between digits only"
---
builtins.fromTOML "a = 1__0"    ### error "while parsing TOML: invalid number '1__0': '_' stands between digits only"
---
builtins.fromTOML "a = _1.0"    ### error "while parsing TOML: invalid number '_1.0': '_' stands between digits only"
---
builtins.fromTOML "a = 1_"    ### error "while parsing TOML: invalid number '1_': '_' stands between digits only"
---
builtins.fromTOML "a = 0x_1"    ### error "while parsing TOML: invalid number '0x_1': '_' stands between digits only"
---
builtins.fromTOML "a = 0b1_"    ### error "while parsing TOML: invalid number '0b1_': '_' stands between digits only"
---
builtins.fromTOML "a='''x\ry'''"    ### error "while parsing TOML: control character in a string"
---
builtins.fromTOML "a='''\rx'''"    ### error "while parsing TOML: control character in a string"
---
builtins.fromTOML "a=\"\"\"x\ry\"\"\""    ### error "while parsing TOML: control character in a string"
---
builtins.fromTOML "a=\"\"\"x\r\r\ny\"\"\""    ### error "while parsing TOML: control character in a string"
---
builtins.fromTOML "a=\"\"\"x\\\n  \r y\"\"\""    ### error "while parsing TOML: control character in a string"
---
builtins.fromTOML "a=\"\\e\""    ### error "while parsing TOML: invalid escape"
---
builtins.fromTOML "a=\"\"\"x\\\r\n \r\n y\r\nz\"\"\""    ### { a = "xy\r\nz"; }
---
builtins.fromTOML "${builtins.fromJSON "\"\\ufeff\""}a=1"    ### { a = 1; }
---
# nix 2.8.0
builtins.fromTOML "a=[1e400, -1e309, 1.7976931348623159e308, 1e-400]"    ### { a = [ 1.79769e+308 -1.79769e+308 1.79769e+308 0 ]; }
---
# nix 2.26.0
builtins.fromTOML "a=-1e309"    ### error "while parsing TOML: [error] toml::parse_floating: failed to read floating point value from stream"
---
builtins.fromTOML "a = 0x+1"    ### error "while parsing TOML: invalid integer '0x+1'"
---
builtins.fromTOML "a = 0b-1"    ### error "while parsing TOML: invalid integer '0b-1'"
---
builtins.fromTOML "a = 0_1.0"    ### error "while parsing TOML: invalid float '0_1.0'"
---
builtins.fromTOML "a = [1e1_0, 1.0_0, -1_0e1, 1e0_1, 0o7_7, 0xf_f, 1e01]"    ### { a = [ 1e+10 1 -100 10 63 255 10 ]; }
---
builtins.tryEval (throw "a")    ### { success = false; value = false; }
---
builtins.tryEval 1    ### { success = true; value = 1; }
---
builtins.tryEval { a = throw "x"; } ? a    ### false
---
(builtins.tryEval (builtins.head [ ])).success    ### error "'builtins.head' called on an empty list"
---
builtins.tryEval ({ }.a)    ### error "attribute 'a' missing"
---
builtins.tryEval <missing>    ### { success = false; value = false; }
---
throw "a${"b"}"    ### error "ab"
---
abort "a"    ### error "evaluation aborted with the following error message: 'a'"
---
throw { }    ### error "cannot coerce a set to a string: { }"
---
builtins.seq (throw "x") 1    ### error "x"
---
builtins.seq { a = throw "x"; } 1    ### 1
---
builtins.deepSeq { a = throw "x"; } 1    ### error "x"
---
builtins.deepSeq [ 1 { a = 2; } ] 3    ### 3
---
builtins.addErrorContext "ctx" 1    ### 1
---
builtins.addErrorContext "ctx" (throw "x")    ### error "x"
---
assert false; 1    ### error "assertion 'false' failed"
---
assert { a = 1; } == { a = 2; }; 1    ### error "an integer with value '1' is not equal to an integer with value '2'"
---
assert 1; 2    ### error "expected a Boolean but found an integer: 1"
---
if { } then 1 else 2    ### error "expected a Boolean but found a set: { }"
---
!1    ### error "expected a Boolean but found an integer: 1"
---
(-"a")    ### error "expected an integer but found a string: \"a\""
---
(-{ })    ### error "expected an integer but found a set: { }"
---
1 && true    ### error "expected a Boolean but found an integer: 1"
---
true -> false    ### false
---
false -> 1    ### true
---
[ (1 == 1.0) ([ 1 ] == [ 1 ]) ({ } == { }) (null == false) ("1" == 1) (/a == "/a") ]    ### [ true true true false false false ]
---
builtins.lessThan 1 2    ### true
---
[ 1 2 ] < [ 1 2 3 ]    ### true
---
[ ] < [ ]    ### false
---
/a < /b    ### true
---
null < null    ### error "cannot compare null with null; values of that type are incomparable (values are null and null)"
---
{ } < { }    ### error "cannot compare a set with a set; values of that type are incomparable (values are { } and { })"
---
true < false    ### error "cannot compare a Boolean with a Boolean; values of that type are incomparable (values are true and false)"
---
9223372036854775807    ### 9223372036854775807
---
builtins.langVersion    ### 6
---
builtins.storeDir    ### "/nix/store"
---
builtins.isAttrs builtins    ### true
---
builtins ? map && builtins ? builtins.builtins    ### true
---
builtins.length builtins.nixPath    ### 2
---
let x = y; y = x; in x    ### error "infinite recursion encountered"
---
let x = x + 1; in x    ### error "infinite recursion encountered"
---
rec { a = b; b = a; }.a    ### error "infinite recursion encountered"
---
let f = x: x.y; in f { }    ### error "attribute 'y' missing"
---
undefined    ### error "undefined variable 'undefined'"
---
let a = 1; in b    ### error "undefined variable 'b'"
---
x: x    ### <LAMBDA>
---
builtins.map    ### <PRIMOP>
---
builtins.map 1    ### <PRIMOP-APP>
---
let l = [ 1 ]; in [ l l ]    ### [ [ 1 ] «repeated» ]
---
let a = { x = 1; }; in [ a a ]    ### [ { x = 1; } «repeated» ]
---
{ "a b" = 1; "if" = 2; or = 3; a-b = 4; "1" = 5; "" = 6; "a'" = 7; }    ### { "" = 6; "1" = 5; "a b" = 1; a' = 7; a-b = 4; "if" = 2; or = 3; }
---
[ "a\"b" "a\nb" "\${" "$" ]    ### [ "a\"b" "a\nb" "\${" "$" ]
---
builtins.hasContext "a"    ### false
---
builtins.getContext "a"    ### { }
---
builtins.hashString "blake3" "abc"    ### error "experimental Nix feature 'blake3-hashes' is disabled; add '--extra-experimental-features blake3-hashes' to enable it"
---
builtins.convertHash { hash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; toHashFormat = "sri"; hashAlgo = "sha1"; }    ### error "hash 'sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=' should have type 'sha1'"
---
(derivation { name = "a"; system = "x"; builder = "b"; outputHash = "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="; outputHashMode = "git"; }).outPath    ### error "experimental Nix feature 'git-hashing' is disabled; add '--extra-experimental-features git-hashing' to enable it"
