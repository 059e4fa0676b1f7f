# Evaluates a network as a deployment tool does: every host with the defaults,
# the deployment options, its name, and all hosts as `nodes`.
{
  nixpkgs ? ../..,
  network ? ./network.nix,
  system ? "x86_64-linux",
}:
let
  net = import network;
  hosts = removeAttrs net [
    "network"
    "defaults"
  ];
  deployment =
    { lib, ... }:
    {
      options.deployment = {
        targetHost = lib.mkOption {
          type = lib.types.nullOr lib.types.str;
          default = null;
          description = "Where the host is reached.";
        };
        targetEnv = lib.mkOption {
          type = lib.types.enum [ "none" ];
          default = "none";
          description = "How the host came to be.";
        };
      };
    };
  nodes = builtins.mapAttrs (
    name: host:
    import "${toString nixpkgs}/nixos/lib/eval-config.nix" {
      inherit system;
      modules = [
        deployment
        (net.defaults or { })
        {
          _file = "network.nix (host ${name})";
          imports = [ host ];
        }
      ];
      specialArgs = {
        inherit name nodes;
      };
    }
  ) hosts;
in
{
  inherit nodes;
  toplevels = builtins.mapAttrs (_: node: node.config.system.build.toplevel) nodes;
}
