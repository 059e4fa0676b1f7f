# One machine: its modules and NixOS's own, evaluated. Callers know the
# arguments from NixOS; the result has config, options, pkgs, lib.
{
  system ? builtins.currentSystem,
  pkgs ? null,
  lib ? import ../../lib,
  modules,
  specialArgs ? { },
  extraArgs ? { },
  baseModules ? import ../modules/module-list.nix,
  extraModules ? [ ],
  modulesLocation ? null,
  prefix ? [ ],
  check ? true,
  ...
}:
let
  located =
    if modulesLocation == null then modules else map (lib.setDefaultModuleLocation modulesLocation) modules;
  platform = {
    _file = ./eval-config.nix;
    key = toString ./eval-config.nix;
    config = {
      # What was passed here gives way to what the machine says of itself.
      nixpkgs.system = lib.mkIf (system != null) (lib.mkDefault system);
      nixpkgs.pkgs = lib.mkIf (pkgs != null) (lib.mkDefault pkgs);
      _module.args = extraArgs // {
        inherit baseModules extraModules modules;
        utils = import ./utils.nix { inherit lib; };
      };
    };
  };
  evaluated = lib.evalModules {
    inherit prefix check;
    class = "nixos";
    modules = baseModules ++ extraModules ++ [ platform ] ++ located;
    specialArgs = {
      modulesPath = toString ../modules;
    }
    // specialArgs;
  };
in
evaluated
// {
  inherit lib extraArgs;
  inherit (evaluated._module.args) pkgs;
}
