# What modules get as `utils`, as far as it is needed here.
{ lib }:
{
  # The name of the unit that stands for a path: /var/lib is var-lib.
  escapeSystemdPath =
    path:
    let
      inner = lib.removeSuffix "/" (lib.removePrefix "/" path);
    in
    if inner == "" then "-" else lib.replaceStrings [ "-" "/" ] [ "\\x2d" "-" ] inner;
}
