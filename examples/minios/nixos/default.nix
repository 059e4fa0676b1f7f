# One machine from one configuration, as in
#     nix-build nixos --arg configuration ./configuration.nix -A system
{
  configuration,
  system ? builtins.currentSystem,
  specialArgs ? { },
}:
let
  machine = import ./lib/eval-config.nix {
    inherit system specialArgs;
    modules = [ configuration ];
  };
in
{
  inherit (machine) config options pkgs;
  system = machine.config.system.build.toplevel;
}
