toString [ 1 [ 2 "a" [ ] ] null true false 1.5 ]    ### "1 2 a   1  1.500000"
---
toString { __toString = self: "x${self.y}"; y = "z"; }    ### "xz"
---
toString { outPath = "/a"; }    ### "/a"
---
toString { }    ### error "cannot coerce a set to a string: { }"
---
toString (x: x)    ### error "cannot coerce a function to a string: «lambda @ «string»:1:11»"
---
toString /a/b    ### "/a/b"
---
toString (-1.5)    ### "-1.500000"
---
toString 1e100    ### error "undefined variable 'e100'"
---
toString 1234567.0    ### "1234567.000000"
---
builtins.stringLength "äb"    ### 3
---
builtins.stringLength 1    ### error "cannot coerce an integer to a string: 1"
---
builtins.substring 1 2 "abcd"    ### "bc"
---
builtins.substring 1 (-1) "abcd"    ### "bcd"
---
builtins.substring (-1) 2 "abcd"    ### error "negative start position in 'substring'"
---
builtins.substring 10 2 "abcd"    ### ""
---
builtins.substring 0 0 "abcd"    ### ""
---
builtins.concatStringsSep ", " [ "a" "b" ]    ### "a, b"
---
builtins.concatStringsSep ", " [ 1 ]    ### error "cannot coerce an integer to a string: 1"
---
builtins.concatStringsSep 1 [ ]    ### error "expected a string but found an integer: 1"
---
builtins.replaceStrings [ "a" "b" ] [ "b" "a" ] "abc"    ### "bac"
---
builtins.replaceStrings [ "" ] [ "-" ] "abc"    ### "-a-b-c-"
---
builtins.replaceStrings [ "ab" "a" ] [ "1" "2" ] "aab"    ### "21"
---
builtins.replaceStrings [ "a" "" ] [ "1" "_" ] "ab"    ### "1_b_"
---
builtins.replaceStrings [ "a" ] [ ] "a"    ### error "'from' and 'to' arguments passed to builtins.replaceStrings have different lengths"
---
builtins.replaceStrings [ "a" "x" ] [ "b" (throw "unused") ] "a"    ### "b"
---
baseNameOf "/a/b/"    ### "b"
---
baseNameOf /a/b    ### "b"
---
baseNameOf "a//"    ### ""
---
baseNameOf ""    ### ""
---
dirOf "/a/b"    ### "/a"
---
dirOf "a"    ### "."
---
dirOf "/a"    ### "/"
---
dirOf /a/b    ### /a
---
dirOf "a/b/"    ### "a/b"
---
builtins.toPath "/a/../b"    ### "/b"
---
builtins.toPath "a"    ### error "string 'a' doesn't represent an absolute path"
---
builtins.parseDrvName "hello-2.12.1"    ### { name = "hello"; version = "2.12.1"; }
---
builtins.parseDrvName "a-b-1x"    ### { name = "a-b"; version = "1x"; }
---
builtins.parseDrvName "a-"    ### { name = "a-"; version = ""; }
---
builtins.parseDrvName "-1"    ### { name = ""; version = "1"; }
---
builtins.compareVersions "1.0" "1.0pre"    ### 1
---
builtins.compareVersions "1.0" "1.0.1"    ### -1
---
builtins.compareVersions "1.10" "1.9"    ### 1
---
builtins.compareVersions "2.3a" "2.3c"    ### -1
---
builtins.compareVersions "2.3" "2.3-1"    ### -1
---
builtins.compareVersions "1a" "1-a"    ### 0
---
builtins.splitVersion "1.2pre3-4"    ### [ "1" "2" "pre" "3" "4" ]
---
builtins.splitVersion ""    ### [ ]
---
builtins.match "a(b*)(c)?" "abb"    ### [ "bb" null ]
---
builtins.match "a" "ab"    ### null
---
builtins.match "(" "a"    ### error "invalid regular expression '('"
---
builtins.match "[[:digit:]]+" "123"    ### [ ]
---
builtins.match "(.*)\\.nix" "x.nix"    ### [ "x" ]
---
builtins.match "a|ab" "ab"    ### [ ]
---
builtins.match "(a|ab)(c|bcd)" "abcd"    ### [ "a" "bcd" ]
---
builtins.match "[]a]+" "]a"    ### [ ]
---
builtins.match "[^]a]" "b"    ### [ ]
---
builtins.match "a{2,3}" "aaaa"    ### null
---
builtins.match "a{2}" "aa"    ### [ ]
---
builtins.match "" ""    ### [ ]
---
builtins.match "((a)|b)*" "ab"    ### [ "b" "a" ]
---
builtins.match "\\d" "1"    ### error "invalid regular expression '\\d'"
---
builtins.match "a{" "a"    ### error "invalid regular expression 'a{'"
---
builtins.match "*" "a"    ### error "invalid regular expression '*'"
---
builtins.match "a**" "aa"    ### [ ]
---
builtins.match "[a-" "a"    ### error "invalid regular expression '[a-'"
---
builtins.match "[z-a]" "a"    ### error "invalid regular expression '[z-a]'"
---
builtins.match "a)" "a)"    ### error "invalid regular expression 'a)'"
---
builtins.match "^a$" "a"    ### [ ]
---
builtins.match "a|" ""    ### [ ]
---
builtins.match "()" ""    ### [ "" ]
---
builtins.match "x+?" "xx"    ### [ ]
---
builtins.split "(a)b" "abc"    ### [ "" [ "a" ] "c" ]
---
builtins.split "([ac])" "1abc3"    ### [ "1" [ "a" ] "b" [ "c" ] "3" ]
---
builtins.split "b" "aaa"    ### [ "aaa" ]
---
builtins.split "" "ab"    ### [ "" [ ] "a" [ ] "b" [ ] "" ]
---
builtins.split "a*" "baab"    ### [ "" [ ] "b" [ ] "" [ ] "b" [ ] "" ]
---
builtins.split "(^a)|(b$)" "aabb"    ### [ "" [ "a" null ] "ab" [ null "b" ] "" ]
---
builtins.split "$" "ab"    ### [ "ab" [ ] "" ]
---
builtins.split "." "a\nb"    ### [ "" [ ] "" [ ] "" [ ] "" ]
---
builtins.hashString "sha256" "abc"    ### "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
---
builtins.hashString "md5" "abc"    ### "900150983cd24fb0d6963f7d28e17f72"
---
builtins.hashString "sha1" ""    ### "da39a3ee5e6b4b0d3255bfef95601890afd80709"
---
builtins.hashString "sha512" ""    ### "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"
---
builtins.hashString "foo" ""    ### error "unknown hash algorithm 'foo', expect 'blake3', 'md5', 'sha1', 'sha256', or 'sha512'"
---
builtins.convertHash { hash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="; toHashFormat = "base16"; }    ### "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
---
builtins.convertHash { hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; hashAlgo = "sha256"; toHashFormat = "nix32"; }    ### "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73"
---
builtins.convertHash { hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"; hashAlgo = "sha256"; toHashFormat = "sri"; }    ### "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
---
"${1}"    ### error "cannot coerce an integer to a string: 1"
---
"${{ }}"    ### error "cannot coerce a set to a string: { }"
---
"${null}"    ### error "cannot coerce null to a string: null"
---
"a${"b" + "c"}d"    ### "abcd"
---
"\n\t\r\\\"\${x}$${"    ### "\n\t\r\\\"\${x}$\${"
---
''  a    ### error "syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string"
---
${"b"}    ### error "syntax error, unexpected '${'"
---
''$ ''${x} '''' ''\n    ### error "syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string"
---
''    ### error "syntax error, unexpected end of file, expecting indented string or '${' or end of an indented string"
---
"a" < "b"    ### true
---
"a" + { outPath = "b"; }    ### "ab"
---
{ outPath = "a"; } + "b"    ### "ab"
---
1 + { }    ### error "cannot add a set to an integer"
---
null + "a"    ### error "cannot coerce null to a string: null"
---
./. + 1    ### error "cannot coerce an integer to a string: 1"
---
/a + /b    ### /a/b
---
"a" + /nonexistent-for-sure    ### error "path '/nonexistent-for-sure' does not exist"
---
http://example.org/a?b=c    ### "http://example.org/a?b=c"
---
builtins.placeholder "out"    ### "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9"
