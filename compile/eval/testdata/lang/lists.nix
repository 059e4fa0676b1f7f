builtins.length [ 1 (throw "x") 3 ]    ### 3
---
builtins.length { }    ### error "expected a list but found a set: { }"
---
builtins.head [ 1 2 ]    ### 1
---
builtins.head [ ]    ### error "'builtins.head' called on an empty list"
---
builtins.tail [ 1 2 3 ]    ### [ 2 3 ]
---
builtins.tail [ ]    ### error "'builtins.tail' called on an empty list"
---
builtins.elemAt [ 1 2 3 ] 2    ### 3
---
builtins.elemAt [ 1 2 3 ] 3    ### error "'builtins.elemAt' called with index 3 on a list of size 3"
---
builtins.elemAt [ 1 2 3 ] (-1)    ### error "'builtins.elemAt' called with index -1 on a list of size 3"
---
builtins.elem 2 [ 1 2.0 3 ]    ### true
---
builtins.elem { a = 1; } [ 1 { a = 1; } ]    ### true
---
map (x: x + 1) [ 1 2 3 ]    ### [ 2 3 4 ]
---
map 1 [ ]    ### [ ]
---
map 1 [ 2 ]    ### error "expected a function but found an integer: 1"
---
builtins.length (map (x: throw "y") [ 1 2 ])    ### 2
---
builtins.filter (x: x > 1) [ 1 2 3 ]    ### [ 2 3 ]
---
builtins.filter (x: 1) [ 1 2 3 ]    ### error "expected a Boolean but found an integer: 1"
---
builtins.foldl' (a: b: a - b) 10 [ 1 2 3 ]    ### 4
---
builtins.foldl' (a: b: b) (throw "unused") [ 1 2 ]    ### 2
---
builtins.foldl' (a: b: a) 1 [ ]    ### 1
---
builtins.foldl' 1 2 [ ]    ### error "expected a function but found an integer: 1"
---
builtins.any (x: x == 2) [ 1 2 (throw "x") ]    ### true
---
builtins.any (x: x) [ ]    ### false
---
builtins.all (x: x < 2) [ 1 2 (throw "x") ]    ### false
---
builtins.all (x: "a") [ 1 ]    ### error "expected a Boolean but found a string: \"a\""
---
builtins.genList (x: x * x) 5    ### [ 0 1 4 9 16 ]
---
builtins.genList (x: x) (-1)    ### error "cannot create list of size -1"
---
builtins.genList (x: x) 0    ### [ ]
---
builtins.sort builtins.lessThan [ 3 1 2 ]    ### [ 1 2 3 ]
---
builtins.sort (a: b: a.k < b.k) [ { k = 2; v = 1; } { k = 1; v = 2; } { k = 2; v = 3; } { k = 1; v = 4; } ]    ### [ { k = 1; v = 2; } { k = 1; v = 4; } { k = 2; v = 1; } { k = 2; v = 3; } ]
---
builtins.sort (a: b: true) [ 1 2 3 4 5 ]    ### [ 5 4 3 2 1 ]
---
builtins.sort (a: b: false) [ 1 2 3 4 5 ]    ### [ 1 2 3 4 5 ]
---
builtins.sort builtins.lessThan [ 1 "a" ]    ### error "cannot compare a string with an integer; values are \"a\" and 1"
---
builtins.sort 1 [ 1 2 ]    ### error "expected a function but found an integer: 1"
---
builtins.partition (x: x > 2) [ 1 2 3 4 ]    ### { right = [ 3 4 ]; wrong = [ 1 2 ]; }
---
builtins.groupBy (x: if x > 2 then "big" else "small") [ 1 2 3 4 ]    ### { big = [ 3 4 ]; small = [ 1 2 ]; }
---
builtins.groupBy (x: x) [ 1 ]    ### error "expected a string but found an integer: 1"
---
builtins.concatLists [ [ 1 ] [ ] [ 2 3 ] ]    ### [ 1 2 3 ]
---
builtins.concatLists [ 1 ]    ### error "expected a list but found an integer: 1"
---
builtins.concatMap (x: [ x x ]) [ 1 2 ]    ### [ 1 1 2 2 ]
---
builtins.concatMap (x: x) [ 1 ]    ### error "expected a list but found an integer: 1"
---
builtins.genericClosure { startSet = [ { key = 1; } ]; operator = x: if x.key < 4 then [ { key = x.key + 1; from = x.key; } { key = 1; } ] else [ ]; }    ### [ { key = 1; } { from = 1; key = 2; } { from = 2; key = 3; } { from = 3; key = 4; } ]
---
builtins.genericClosure { startSet = [ ]; operator = throw "no"; }    ### [ ]
---
builtins.genericClosure { startSet = [ { key = "a"; } { key = "a"; n = 2; } { key = "b"; } ]; operator = x: [ ]; }    ### [ { key = "a"; } { key = "b"; } ]
---
builtins.genericClosure { startSet = [ { key = { }; } { key = { }; } ]; operator = x: [ ]; }    ### error "cannot compare a set with a set; values of that type are incomparable (values are { } and { })"
---
builtins.genericClosure { startSet = [ { key = [ 1 ]; } { key = [ 1 ]; } { key = [ 2 ]; } ]; operator = x: [ ]; }    ### [ { key = [ 1 ]; } { key = [ 2 ]; } ]
---
builtins.genericClosure { startSet = [ { key = 1; } { key = 1.0; } { key = 1.5; } ]; operator = x: [ ]; }    ### [ { key = 1; } { key = 1.5; } ]
---
[ 1 2 ] ++ 3    ### error "expected a list but found an integer: 3"
---
[ ] ++ [ 1 ]    ### [ 1 ]
---
(x: [ x ] ++ [ x ]) 1    ### [ 1 1 ]
---
# A single key is compared with nothing.
builtins.genericClosure { startSet = [ { key = { }; } ]; operator = x: [ ]; }    ### [ { key = { }; } ]
