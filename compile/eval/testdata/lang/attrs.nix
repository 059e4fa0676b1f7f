builtins.attrNames { b = 1; a = 2; "c d" = 3; B = 4; }    ### [ "B" "a" "b" "c d" ]
---
builtins.attrValues { b = 1; a = 2; }    ### [ 2 1 ]
---
builtins.getAttr "a" { a = 1; }    ### 1
---
builtins.getAttr "b" { a = 1; }    ### error "attribute 'b' missing"
---
builtins.hasAttr "a" { a = throw "x"; }    ### true
---
builtins.hasAttr ("first seen" + " by hasAttr") (builtins.listToAttrs [ { name = "first " + "seen by hasAttr"; value = 1; } ])    ### true
---
builtins.getAttr ("first seen" + " by getAttr") (builtins.listToAttrs [ { name = "first " + "seen by getAttr"; value = 1; } ])    ### 1
---
builtins.catAttrs ("first seen" + " by catAttrs") [ { } (builtins.listToAttrs [ { name = "first " + "seen by catAttrs"; value = 1; } ]) ]    ### [ 1 ]
---
builtins.hasAttr 1 { }    ### error "expected a string but found an integer: 1"
---
removeAttrs { a = 1; b = 2; c = 3; } [ "a" "c" "d" ]    ### { b = 2; }
---
removeAttrs { a = 1; } "a"    ### error "expected a list but found a string: \"a\""
---
builtins.listToAttrs [ { name = "a"; value = 1; } { name = "b"; value = 2; } { name = "a"; value = 3; } ]    ### { a = 1; b = 2; }
---
builtins.listToAttrs [ { name = "a"; } ]    ### error "attribute 'value' missing"
---
builtins.listToAttrs [ { value = 1; } ]    ### error "attribute 'name' missing"
---
builtins.intersectAttrs { a = 1; b = 2; } { b = 3; c = 4; a = throw "lazy"; } ? b    ### true
---
builtins.intersectAttrs { a = 1; b = 2; } { b = 3; c = 4; }    ### { b = 3; }
---
builtins.catAttrs "a" [ { a = 1; } { b = 2; } { a = 3; } ]    ### [ 1 3 ]
---
builtins.mapAttrs (n: v: "${n}${toString v}") { a = 1; b = 2; }    ### { a = "a1"; b = "b2"; }
---
(builtins.mapAttrs (n: v: throw "x") { a = 1; }) ? a    ### true
---
builtins.mapAttrs 1 { }    ### { }
---
builtins.zipAttrsWith (n: vs: { inherit n vs; }) [ { a = 1; b = 2; } { a = 3; } ]    ### { a = { n = "a"; vs = [ 1 3 ]; }; b = { n = "b"; vs = [ 2 ]; }; }
---
builtins.unsafeGetAttrPos "a" { b = 1; }    ### null
---
(builtins.unsafeGetAttrPos "a" { a = 1; }).line    ### error "expected a set but found null: null"
---
(builtins.unsafeGetAttrPos "a" { a = 1; }).column    ### error "expected a set but found null: null"
---
builtins.functionArgs ({ a, b ? 1, ... }: a)    ### { a = false; b = true; }
---
builtins.functionArgs (x: x)    ### { }
---
builtins.functionArgs builtins.map    ### { }
---
builtins.functionArgs 1    ### error "'functionArgs' requires a function"
---
{ a = 1; a = 2; }    ### error "attribute 'a' already defined at «string»:1:3"
---
{ a.b = 1; a.b = 2; }    ### error "attribute 'a.b' already defined at «string»:1:3"
---
{ a = { b = 1; }; a.c = 2; }    ### { a = { b = 1; c = 2; }; }
---
{ a = { b = 1; }; a = { b = 2; }; }    ### error "attribute 'a.b' already defined at «string»:1:9"
---
{ a = 1; a.b = 2; }    ### error "attribute 'a' already defined at «string»:1:3"
---
{ a.b = 1; a = 2; }    ### error "attribute 'a' already defined at «string»:1:3"
---
rec { a = { x = 1; }; a.y = x; x = 2; }    ### { a = { x = 1; y = 2; }; x = 2; }
---
{ a = rec { x = 1; }; a.y = 2; }    ### { a = { x = 1; y = 2; }; }
---
{ "a" = 1; ${"b"} = 2; }    ### { a = 1; b = 2; }
---
{ a = 1; ${"a" + ""} = 2; }    ### error "dynamic attribute 'a' already defined at «string»:1:3"
---
let a = "x"; in { ${a}.b = 1; ${a + "y"}.c = 2; }    ### { x = { b = 1; }; xy = { c = 2; }; }
---
{ inherit ({ x = 1; y = 2; }) x y; }    ### { x = 1; y = 2; }
---
{ inherit ({ x = 1; }) y; }    ### error "attribute 'y' missing"
---
let x = 1; in { inherit x; }    ### { x = 1; }
---
{ inherit missing; }    ### error "undefined variable 'missing'"
---
{ a = 1; } // { a = 2; b = 3; }    ### { a = 2; b = 3; }
---
{ a = 1; } // 2    ### error "expected a set but found an integer: 2"
---
1 // { }    ### error "expected a set but found an integer: 1"
---
({ a = 1; } // { a = throw "x"; }) ? a    ### true
---
{ a.b.c = 1; }.a.b.c    ### 1
---
{ a.b = 1; }.a.b.c or 2    ### 2
---
{ a = 1; }.a.b.c    ### error "expected a set but found an integer: 1"
---
{ a = null; }.${"a"}    ### null
---
{ a = 1; } ? a.b    ### false
---
{ a.b = 1; } ? a.${"b"}    ### true
---
{ a = throw "x"; } ? a.b    ### error "x"
---
({ x ? 1, y ? x + 1 }: [ x y ]) { x = 5; }    ### [ 5 6 ]
---
({ x ? y, y ? x }: x) { }    ### error "infinite recursion encountered"
---
(args@{ x ? 1, ... }: args) { z = 1; }    ### { z = 1; }
---
({ x, ... }@args: args.x) { x = 3; }    ### 3
---
({ x }: x) 1    ### error "expected a set but found an integer: 1"
---
({ x }: x) { x = 1; y = 2; z = 3; }    ### error "function 'anonymous lambda' called with unexpected argument 'y'"
---
(x: y: { inherit x y; }) 1 2    ### { x = 1; y = 2; }
---
let f = { a, b ? 2 }: a + b; in f { a = 1; }    ### 3
---
let f = { a, b ? 2 }: a + b; in f { }    ### error "function 'f' called without required argument 'a'"
---
let f = { a, b ? 2 }: a + b; in f { a = 1; c = 1; }    ### error "function 'f' called with unexpected argument 'c'"
---
rec { f = n: if n == 0 then 1 else n * f (n - 1); r = f 20; }.r    ### 2432902008176640000
---
let inherit (rec { a = 1; b = a; }) a b; in [ a b ]    ### [ 1 1 ]
---
with 1; a    ### error "expected a set but found an integer: 1"
---
with { a = 1; }; with { b = 2; }; [ a b ]    ### [ 1 2 ]
---
let a = 1; in with { a = 2; }; let b = a; in b    ### 1
---
with throw "x"; 1    ### 1
---
with throw "x"; y    ### error "x"
---
__curPos.line    ### error "expected a set but found null: null"
---
rec { __functor = self: x: x + self.y; y = 2; } 3    ### 5
---
{ __functor = 1; } 2    ### error "attempt to call something which is not a function but an integer: 1"
