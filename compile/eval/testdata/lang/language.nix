1 + 2 * 3 - 4 / 2    ### 5
---
7 / 2    ### 3
---
7 / 2.0    ### 3.5
---
-(1 + 2)    ### -3
---
let x = x; in x    ### error "infinite recursion encountered"
---
{ a = 1; }.b    ### error "attribute 'b' missing"
---
{ a = 1; }.b or 2    ### 2
---
let f = { a, b ? a + 1, ... }@args: [ a b (args ? c) ]; in f { a = 1; c = 2; }    ### [ 1 2 true ]
---
({ a }: a) { }    ### error "function 'anonymous lambda' called without required argument 'a'"
---
({ a }: a) { a = 1; b = 2; }    ### error "function 'anonymous lambda' called with unexpected argument 'b'"
---
let f = x: y: z: [ x y z ]; in f 1 2 3    ### [ 1 2 3 ]
---
let f = x: y: x + y; in map (f 1) [ 1 2 ]    ### [ 2 3 ]
---
let s = { __functor = self: x: self.n + x; n = 5; }; in s 1    ### 6
---
1 2    ### error "attempt to call something which is not a function but an integer: 1"
---
rec { a = b; b = 2; }    ### { a = 2; b = 2; }
---
{ a.b.c = 1; a.b.d = 2; a = { e = 3; }; }    ### { a = { b = { c = 1; d = 2; }; e = 3; }; }
---
{ ${"a" + "b"} = 1; ${null} = 2; }    ### { ab = 1; }
---
let a = 1; in { inherit a; inherit ({ b = 2; c = 3; }) b c; }    ### { a = 1; b = 2; c = 3; }
---
rec { __overrides = { a = 2; }; a = 1; b = a; }.b    ### 2
---
let { body = x; x = 3; }    ### 3
---
with { a = 1; b = 2; }; let a = 3; in [ a b ]    ### [ 3 2 ]
---
with { a = 1; }; with { a = 2; }; a    ### 2
---
let x = 1; in with { x = 2; }; x    ### 1
---
x    ### error "undefined variable 'x'"
---
with { }; x    ### error "undefined variable 'x'"
---
assert 1 == 1; 2    ### 2
---
assert 1 == 2; 2    ### error "an integer with value '1' is not equal to an integer with value '2'"
---
assert 1 > 2; 2    ### error "assertion '(__lessThan 2 1)' failed"
---
if 1 then 2 else 3    ### error "expected a Boolean but found an integer: 1"
---
[ (1 < 2) (2 <= 2) (3 > 4) (3 >= 4) ("a" < "b") ([ 1 2 ] < [ 1 3 ]) (1 < 1.5) ]    ### [ true true false false true true true ]
---
1 < "a"    ### error "cannot compare an integer with a string; values are 1 and \"a\""
---
[ (true && false) (true || (throw "x")) (false -> (throw "x")) (!true) ]    ### [ false true true false ]
---
[ 1 2 ] ++ [ 3 ]    ### [ 1 2 3 ]
---
{ a = 1; b = 1; } // { b = 2; c = 3; }    ### { a = 1; b = 2; c = 3; }
---
[ ({ a = 1; } == { a = 1; }) ([ 1 ] == [ 1.0 ]) (1 == 1.0) ("a" != "b") (null == null) ]    ### [ true true true true true ]
---
let f = x: x; in [ (f == f) ([ f ] == [ f ]) ((x: x) == (x: x)) ]    ### [ false true false ]
---
{ a.b = 1; } ? a.b && !({ a = 1; } ? a.b)    ### true
---
"a${toString 1}b${"c"}"    ### "a1bc"
---
"a" + 1    ### error "cannot coerce an integer to a string: 1"
---
1 + "a"    ### error "cannot add a string to an integer"
---
/a/b + "/../c"    ### /a/c
---
''
  a
    b
''    ### "a\n  b\n"
---
let a = 9223372036854775807; in a + 1    ### -9223372036854775808
---
let __sub = a: b: "mine"; in 1 - 2    ### "mine"
---
1 / 0    ### error "division by zero"
---
builtins.tryEval (throw "x")    ### { success = false; value = false; }
---
builtins.tryEval (assert false; 1)    ### { success = false; value = false; }
---
builtins.tryEval (abort "x")    ### error "evaluation aborted with the following error message: 'x'"
---
let t = throw "x"; in [ (builtins.tryEval t).success (builtins.tryEval t).success ]    ### [ false false ]
---
(x: x) (throw "x")    ### error "x"
---
(x: 1) (9223372036854775807 + 1)    ### 1
---
let f = n: m: if n == 0 then 1 else f 0 (m - 1); in f 1 (-9223372036854775807 - 1)    ### 1
---
let f = n: m: if n == 0 then m + 1 else f (n - 1) (m + 1); in f 3 9223372036854775804    ### -9223372036854775808
---
let f = n: m: if n == 0 then m else f (n - 1) (m + 1); x = 2; y = x - 1; in [ (f 3 1.5) (f y x) (f x y) ]    ### [ 4.5 3 3 ]
---
(a: b: b) (throw "x" - 1) (let z = 1; in z - 1)    ### 0
---
builtins.trace "said" 1    ### 1
### trace trace: said
---
# nix 2.26.3
builtins.trace { a = 1 + 1; } 1    ### 1
### trace trace: { a = «thunk»; }
---
# nix 2.26.3
let x = builtins.trace { x = x; } true; in x    ### true
### trace trace: { x = «potential infinite recursion»; }
---
builtins.warn "careful" 1    ### 1
### trace evaluation warning: careful
---
builtins.traceVerbose "silent" 1    ### 1
