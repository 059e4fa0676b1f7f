# The names of the options of some modules, with * for the names in a set of
# submodules, sorted: JSON.
{
  lib,
  modules,
  # Options that are not below deployment, too.
  all ? false,
}:
let
  inherit (builtins) attrNames concatMap;
  below =
    path: options:
    concatMap (
      name:
      let
        option = options.${name};
        here = path ++ [ name ];
        sub = option.type.getSubOptions [ ];
        many = if option.type.name == "submodule" then [ ] else [ "*" ];
      in
      if name == "_module" then
        [ ]
      else if option._type or "" != "option" then
        below here option
      else if builtins.removeAttrs sub [ "_module" ] != { } then
        below (here ++ many) sub
      else
        [ (lib.concatStringsSep "." here) ]
    ) (attrNames options);
  evaluated = lib.evalModules {
    modules = modules ++ [
      {
        _module.check = false;
        _module.args = {
          pkgs = { };
          name = "name";
        };
      }
    ];
  };
  options = builtins.removeAttrs evaluated.options [ "_module" ];
in
builtins.toJSON (builtins.sort builtins.lessThan (below [ ] (if all then options else { inherit (options) deployment; })))
