# What a binding's value looks like.
{ config, lib, pkgs, ... }:
let x = 1; inherit (lib) mkIf mkMerge; inherit (builtins) a b c d; in
with lib;
{
  a = 1; b.c."d e".${f}."g${h}" = [ ];
  "if" = { }; or = rec { a = 1; };

  # one element, two elements
  list = [ 1 ]; lists = [ 1 2 ];
  set = { a = 1; }; call = mkIf config.x.enable { a = 1; b = [ "x" ]; };
  short = f (a b) { x = 1; } y; # behind it
  lambda = x: y: { z = 1; }; three = x: y: z: w; formals = { a, b ? 1, ... }@args: a;
  paths = [ ./a ../b/${c}.nix ~/x <nixpkgs/lib> https://example.org ];
  merge = a // { b = 1; }; more = [ a b ] ++ optionals c [ d e ];
  sum = a + b * -c - (d - e); logic = !a && (b || c) -> d == e;
  text = ''
    a ${b}
      ''${c} '''
  '';
  oneLine = ''short''; quoted = ''"a"''; escaped = "a\n\t\"\\ \${x} $$ $";
  cond = if a then b else if c then { d = 1; } else [ e f ];
  asserted = assert a != null; b; packages = with pkgs; [ vim git ];
  select = (f x).y or z; has = a.b ? c.d; old = let { body = 1; };
  long = concatStringsSep "," (mapAttrsToList (name: value: "${name}=${value} and some more text") config.services.things);
  fold = foldl' (acc: x: acc // { ${x.name} = acc.${x.name} or [ ] ++ [ x ]; }) { } (filter (x: x ? name) xs);
  numbers = [ 1.5 0.5 1.e3 9223372036854775807 ];
  /* a comment
     of two lines */
  last = null;
  # at the end
}
