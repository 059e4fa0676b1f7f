# Interfaces that systemd-networkd makes, and their addresses.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.systemd.network;
  section =
    description:
    mkOption {
      type = types.attrsOf types.unspecified;
      default = { };
      inherit description;
    };
  table =
    options: description:
    mkOption {
      type = types.attrsOf (types.submodule { inherit options; });
      default = { };
      inherit description;
    };
  render =
    sections:
    lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: keys: "[${name}]\n" + lib.concatStrings (lib.mapAttrsToList (key: v: "${key}=${toString v}\n") keys)
      ) (lib.filterAttrs (_: keys: keys != { }) sections)
    );
  files =
    kind: text:
    lib.mapAttrs' (
      name: unit: lib.nameValuePair "systemd/network/${name}.${kind}" { text = text unit; }
    );
in
{
  options.systemd.network = {
    netdevs = table {
      netdevConfig = section "Of the [NetDev] section.";
      wireguardConfig = section "Of the [WireGuard] section.";
    } "Virtual interfaces.";
    networks = table {
      matchConfig = section "Of the [Match] section.";
      networkConfig = section "Of the [Network] section.";
      address = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Addresses with their prefixes.";
      };
    } "What interfaces are configured with.";
  };
  config.environment.etc = lib.mkIf cfg.enable (
    files "netdev" (u: render { NetDev = u.netdevConfig; WireGuard = u.wireguardConfig; }) cfg.netdevs
    // files "network" (
      u:
      render {
        Match = u.matchConfig;
        Network = u.networkConfig;
      }
      + lib.concatMapStrings (a: "\n[Address]\nAddress=${a}\n") u.address
    ) cfg.networks
  );
}
