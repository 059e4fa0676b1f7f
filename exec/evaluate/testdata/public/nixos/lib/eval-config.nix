{
  lib ? import ../../lib,
  system ? builtins.currentSystem,
  modules,
  specialArgs ? { },
  extraArgs ? { },
  baseModules ? [ ../modules/all.nix ],
  modulesLocation ? null,
  pkgs ? null,
  prefix ? [ ],
  ...
}:
let
  result = lib.evalModules {
    inherit prefix;
    class = "nixos";
    modules =
      baseModules
      ++ lib.optional (system != null) { nixpkgs.system = lib.mkDefault system; }
      ++ lib.optional (pkgs != null) { nixpkgs.pkgs = lib.mkDefault pkgs; }
      ++ [ { config._module.args = { inherit baseModules modules; extraModules = [ ]; } // extraArgs; } ]
      ++ modules;
    specialArgs = {
      modulesPath = builtins.toString ../modules;
    }
    // specialArgs;
  };
in
result
// {
  inherit (result._module.args) pkgs;
  inherit lib extraArgs;
  extendModules = args: result.extendModules args;
}
