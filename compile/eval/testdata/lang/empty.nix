{ a = { }; b = { }; c = [ ]; }    ### { a = { }; b = { }; c = [ ]; }
---
let e = { }; in [ e e { } [ ] [ ] (builtins.intersectAttrs { } { a = 1; }) ]    ### [ { } { } { } [ ] [ ] { } ]
---
# nix 2.34.8
builtins.substring { } 1 "x"    ### error "expected an integer but found a set: { }"
---
# nix 2.34.8
builtins.substring { a = { }; b = [ ]; c = [ { } ]; d = rec { }; } 1 "x"    ### error "expected an integer but found a set: { a = «thunk»; b = [ ]; c = «thunk»; d = «thunk»; }"
---
# nix 2.34.8
let e = { }; in builtins.substring { a = e; b = e; } 1 "x"    ### error "expected an integer but found a set: { a = «thunk»; b = «thunk»; }"
---
# nix 2.34.8
(x: builtins.substring [ x ] 1 "x") { }    ### error "expected an integer but found a list: [ «thunk» ]"
---
# nix 2.34.8
let s = { a = { }; b = { }; l = [ ]; m = [ ]; }; in builtins.deepSeq s (builtins.substring s 1 "x")    ### error "expected an integer but found a set: { a = { }; b = «repeated»; l = [ ]; m = [ ]; }"
---
# nix 2.26.3
let s = { a = { }; b = { }; n = { }; l = [ ]; m = [ ]; c = [ { } { } ]; }; in builtins.deepSeq s (builtins.trace s 1)    ### 1
### trace trace: { a = { }; b = «repeated»; c = [ «repeated» «repeated» ]; l = [ ]; m = [ ]; n = «repeated»; }
---
# nix 2.34.8
let x = { }; in builtins.seq x (builtins.trace [ x x { } ] 1)    ### 1
### trace trace: [ { } «repeated» «thunk» ]
---
# nix 2.34.8
({ x ? { } }: builtins.trace [ x ] 1) { }    ### 1
### trace trace: [ «thunk» ]
---
# nix 2.34.8
builtins.trace (let s = [ (builtins.intersectAttrs { a = 1; } { b = 1; }) { } { } (builtins.intersectAttrs { a = 1; } { }) (removeAttrs { a = 1; } [ "a" ]) (removeAttrs { } [ "a" ]) ]; in builtins.deepSeq s s) 1    ### 1
### trace trace: [ { } { } «repeated» «repeated» { } «repeated» ]
---
# nix 2.34.8
let s = [ (builtins.listToAttrs [ ]) { } (builtins.mapAttrs (n: v: v) { }) ({ } // { }) (let x = { }; in { } // x) ]; in builtins.deepSeq s (builtins.trace s 1)    ### 1
### trace trace: [ { } «repeated» «repeated» «repeated» «repeated» ]
