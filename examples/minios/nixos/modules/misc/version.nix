# What this system calls itself.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.system;
  fixed =
    value:
    mkOption {
      type = types.str;
      default = value;
      internal = true;
      description = "Part of the version.";
    };
in
{
  options.meta = mkOption {
    type = types.attrsOf types.anything;
    internal = true;
    default = { };
    description = "What modules say of themselves.";
  };
  options.system = {
    name = mkOption {
      type = types.str;
      default = if config.networking.hostName == "" then "unnamed" else config.networking.hostName;
      description = "Name of the system in the store.";
    };
    stateVersion = mkOption {
      type = types.str;
      default = lib.trivial.release;
      description = "The release whose defaults the machine's data were made with.";
    };
    configurationRevision = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "Revision of the repository the configuration came from.";
    };
    nixos = {
      release = fixed lib.trivial.release;
      versionSuffix = fixed lib.trivial.versionSuffix;
      codeName = fixed lib.trivial.codeName;
      version = fixed (cfg.nixos.release + cfg.nixos.versionSuffix);
      label = fixed cfg.nixos.version;
      variant_id = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "VARIANT_ID in /etc/os-release.";
      };
      tags = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Words added to the label.";
      };
    };
  };

  config.environment.etc.os-release.text = ''
    NAME=NixOS
    ID=nixos
    VERSION="${cfg.nixos.version} (${cfg.nixos.codeName})"
    VERSION_ID="${cfg.nixos.release}"
    PRETTY_NAME="NixOS ${cfg.nixos.release} (minios)"
  '';
}
