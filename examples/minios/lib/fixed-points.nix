{ lib }:
rec {
  fix =
    f:
    let
      x = f x;
    in
    x;
  # One layer on top of a fixed point: overlay = final: prev: { ... }
  extends =
    overlay: f: final:
    let
      prev = f final;
    in
    prev // overlay final prev;
  composeExtensions =
    f: g: final: prev:
    let
      first = f final prev;
    in
    first // g final (prev // first);
  composeManyExtensions = lib.foldr composeExtensions (_: _: { });
  makeExtensible =
    f:
    fix f
    // {
      extend = overlay: makeExtensible (extends overlay f);
    };

  # f's result, with .override to call it again with other arguments.
  makeOverridable =
    f: args:
    let
      result = f args;
      override = new: makeOverridable f (args // lib.toFunction new args);
    in
    if builtins.isAttrs result then
      result // { inherit override; }
    else
      result;
  callPackageWith =
    scope: f: args:
    let
      fn = if lib.isFunction f then f else import f;
    in
    makeOverridable fn (builtins.intersectAttrs (lib.functionArgs fn) scope // args);
}
