# Which package set the modules get as `pkgs`, and for which platform.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.nixpkgs;
  platformName = types.coercedTo types.attrs (platform: platform.system) types.str;
in
{
  options.nixpkgs = {
    pkgs = mkOption {
      type = types.nullOr types.pkgs;
      default = null;
      description = "The package set to use; by default one is made from the options below.";
    };
    config = mkOption {
      type = types.attrsOf types.anything;
      default = { };
      example = {
        allowUnfree = true;
      };
      description = "Configuration of the package set.";
    };
    overlays = mkOption {
      type = types.listOf types.raw;
      default = [ ];
      description = "Overlays on the package set, first to last.";
    };
    system = mkOption {
      type = types.str;
      description = "The platform, if hostPlatform does not say.";
    };
    hostPlatform = mkOption {
      type = platformName;
      default = if cfg.pkgs != null then cfg.pkgs.system else cfg.system;
      example = "aarch64-linux";
      description = "The platform the machine runs on.";
    };
    buildPlatform = mkOption {
      type = platformName;
      default = cfg.hostPlatform;
      description = "The platform things are built on.";
    };
  };

  config._module.args.pkgs =
    if cfg.pkgs != null then
      if cfg.overlays == [ ] then cfg.pkgs else cfg.pkgs.appendOverlays cfg.overlays
    else
      import ../../.. {
        system = cfg.hostPlatform;
        buildSystem = cfg.buildPlatform;
        inherit (cfg) config overlays;
      };
}
