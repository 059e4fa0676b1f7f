# A function's argument must stay as long as something made in the function needs
# it, whatever is called meanwhile.
let id = x: x; k = x: (y: x); f = k 1; in [ (id 2) (id 3) (f 0) (id 4) (f 0) ]    ### [ 2 3 1 4 1 ]
---
let f = x: [ (x * 2) ]; a = f 1; b = f 2; in [ a b (f 3) ]    ### [ [ 2 ] [ 4 ] [ 6 ] ]
---
let f = x: let a = b; b = x; in { inherit a; }; p = f 1; q = f 2; in [ p q ]    ### [ { a = 1; } { a = 2; } ]
---
let f = x: rec { a = b; b = x; }; p = f 1; q = f 2; in [ p q ]    ### [ { a = 1; b = 1; } { a = 2; b = 2; } ]
---
let f = s: with s; [ x ]; p = f { x = 1; }; q = f { x = 2; }; in [ p q ]    ### [ [ 1 ] [ 2 ] ]
---
let f = s: with s; x; p = f { x = 1; }; q = f { x = 2; }; in [ p q ]    ### [ 1 2 ]
---
let add = a: b: c: a + b * c; p = add 1; q = p 2; in [ (p 2 3) (add 4 5 6) (q 3) (p 7 8) (q 4) ]    ### [ 7 34 7 57 9 ]
---
let f = a: { b }: c: [ a b (a + b + c) ]; p = f 1 { b = 2; }; in [ (f 4 { b = 5; } 6) (p 3) (f 7 { b = 8; } 9) (p 4) ]    ### [ [ 4 5 15 ] [ 1 2 6 ] [ 7 8 24 ] [ 1 2 7 ] ]
---
let f = { a }: b: a + b; p = f { a = 1; }; in [ (p 2) (f { a = 3; } 4) (p 5) ]    ### [ 3 7 6 ]
---
let count = n: if n == 0 then [ ] else [ (n * 2) ] ++ count (n - 1); in count 5    ### [ 10 8 6 4 2 ]
---
let f = x: if x > 2 then throw "too much" else x; in map (n: (builtins.tryEval (f n)).value) [ 1 5 2 ]    ### [ 1 false 2 ]
---
let f = x: x.a or x; in [ (f { a = 1; }) (f 2) (f { b = 3; }) ]    ### [ 1 2 { b = 3; } ]
---
let
  # The argument is a thunk in the frame of a call that has returned by then.
  late = x: id (x + 1);
  id = x: { v = x; };
  p = late 1;
  q = late 2;
in [ (late 3).v p.v q.v ]    ### [ 4 2 3 ]
---
let f = x: y: if x == 0 then y else f (x - 1) (y + x); in [ (f 10 0) (f 3 0) ]    ### [ 55 6 ]
---
let fix = f: let x = f x; in x; p = fix (self: { a = 1; b = self.a + 1; }); in [ p.b (fix (self: 3)) p.b ]    ### [ 2 3 2 ]
---
builtins.sort (a: b: (x: x) a > (x: x) b) (builtins.genList (n: (x: x * x) (n - 3)) 7)    ### [ 9 9 4 4 1 1 0 ]
---
builtins.foldl' (acc: x: acc ++ [ (y: x + y) ]) [ ] [ 1 2 3 ] == [ ] || map (f: f 10) (builtins.foldl' (acc: x: acc ++ [ (y: x + y) ]) [ ] [ 1 2 3 ]) == [ 11 12 13 ]    ### true
---
[ 2147483647 2147483648 (-2147483648) (-2147483649) (2147483647 + 1) (-2147483648 - 1) (2147483648 - 1) (65536 * 65536) ]    ### [ 2147483647 2147483648 -2147483648 -2147483649 2147483648 -2147483649 2147483647 4294967296 ]
