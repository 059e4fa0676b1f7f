# Written by muster compile from hosts.cue; edit that instead.
# Undoes changes of morph that other tools do not make: it adds the list of its
# health checks to every system, and sets no nixpkgs.system.
{ lib, ... }:
{
  options.system.extraDependencies = lib.mkOption {
    apply = builtins.filter (path: path.name or "" != "healthcheck-commands.txt");
  };
  config.nixpkgs.system = lib.mkDefault "x86_64-linux";
}
