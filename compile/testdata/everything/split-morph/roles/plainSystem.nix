# Written by muster compile from hosts.cue; edit that instead.
# What morph does unlike others: it adds the list of its health checks to
# every system, and leaves open what kind of machine it is for.
{ lib, ... }:
{
  options.system.extraDependencies = lib.mkOption {
    apply = builtins.filter (path: path.name or "" != "healthcheck-commands.txt");
  };
  config.nixpkgs.system = lib.mkDefault "x86_64-linux";
}
