# NixOS as far as the comparison needs it: any option can be set, and a few are declared, with the types they have.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  any = types.attrsOf types.anything;
  list = type: mkOption { type = types.listOf type; default = [ ]; };
  set = mkOption { type = any; default = { }; };
  flag = mkOption { type = types.bool; default = false; };
  # What a derivation can hold of any value.
  plain =
    depth: v:
    if builtins.isFunction v then
      "function"
    else if lib.isDerivation v then
      v.drvPath
    else if builtins.isPath v then
      toString v
    else if builtins.isAttrs v then
      if depth == 0 then builtins.attrNames v else lib.mapAttrs (_: plain (depth - 1)) v
    else if builtins.isList v then
      map (plain depth) v
    else
      v;
in
{
  imports = [ ./misc/assertions.nix ];
  options = {
    environment.systemPackages = list types.package;
    environment.etc = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            freeformType = any;
            options.target = mkOption { type = types.str; default = name; };
            options.text = mkOption { type = types.nullOr types.lines; default = null; };
          }
        )
      );
    };
    environment.variables = set;
    environment.shellAliases = set;
    boot.kernelModules = list types.str;
    boot.kernelParams = list types.str;
    boot.initrd.availableKernelModules = list types.str;
    boot.initrd.kernelModules = list types.str;
    boot.supportedFilesystems = mkOption { type = types.anything; default = { }; };
    boot.kernelPackages = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.linuxPackages; };
    boot.kernel.sysctl = set;
    boot.zfs = set;
    fileSystems = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    swapDevices = list types.anything;
    users.users = mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, config, ... }:
          {
            freeformType = any;
            options = {
              name = mkOption { type = types.str; default = name; };
              home = mkOption { type = types.str; default = "/home/${name}"; };
              group = mkOption { type = types.str; default = "users"; };
              shell = mkOption { type = types.unspecified; default = null; };
              extraGroups = list types.str;
              packages = list types.package;
              isNormalUser = flag;
              uid = mkOption { type = types.nullOr types.int; default = null; };
              openssh.authorizedKeys.keys = list types.str;
              openssh.authorizedKeys.keyFiles = list types.path;
            };
          }
        )
      );
    };
    users.groups = set;
    networking.hostName = mkOption { type = types.str; default = "nixos"; };
    networking.domain = mkOption { type = types.nullOr types.str; default = null; };
    networking.fqdn = mkOption { type = types.str; default = config.networking.hostName + lib.optionalString (config.networking.domain != null) ".${config.networking.domain}"; };
    networking.hostId = mkOption { type = types.nullOr types.str; default = null; };
    networking.firewall = {
      enable = mkOption { type = types.bool; default = true; };
      allowedTCPPorts = list types.port;
      allowedUDPPorts = list types.port;
      interfaces = set;
    };
    networking.hosts = mkOption { type = types.attrsOf (types.listOf types.str); default = { }; };
    networking.nftables.enable = flag;
    networking.useNetworkd = flag;
    networking.useDHCP = mkOption { type = types.bool; default = true; };
    networking.interfaces = set;
    networking.networkmanager.enable = flag;
    nix.settings = set;
    nix.enable = mkOption { type = types.bool; default = true; };
    nix.package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.nix; };
    nix.registry = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    nixpkgs.system = mkOption { type = types.str; default = "x86_64-linux"; };
    nixpkgs.hostPlatform = mkOption { type = types.unspecified; default = config.nixpkgs.system; };
    nixpkgs.config = mkOption { type = types.anything; default = { }; };
    nixpkgs.overlays = list types.unspecified;
    nixpkgs.pkgs = mkOption {
      type = types.unspecified;
      default = import ../.. {
        inherit (config.nixpkgs) config overlays;
        system = config.nixpkgs.hostPlatform.system or config.nixpkgs.hostPlatform;
      };
    };
    programs = {
      fish.enable = flag;
      zsh.enable = flag;
      bash.enable = flag;
      ssh = set;
    };
    security.acme.certs = set;
    services.openssh = {
      enable = flag;
      ports = mkOption { type = types.listOf types.port; default = [ 22 ]; };
      settings = set;
      hostKeys = list types.anything;
    };
    services.nginx = {
      enable = flag;
      package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.nginx; };
      virtualHosts = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    };
    services.xserver.enable = flag;
    services.postgresql = {
      enable = flag;
      package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.postgresql; };
      ensureUsers = list types.anything;
      ensureDatabases = list types.str;
    };
    services.prometheus.exporters = set;
    systemd.services = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    systemd.timers = set;
    systemd.tmpfiles.rules = list types.str;
    systemd.network.enable = flag;
    system.stateVersion = mkOption { type = types.str; default = "26.05"; };
    system.nixos = { release = mkOption { type = types.str; default = "26.05"; }; version = mkOption { type = types.str; default = "26.05"; }; };
    system.activationScripts = mkOption { type = types.anything; default = { }; };
    system.build = mkOption { type = types.lazyAttrsOf types.unspecified; default = { }; };
    time.timeZone = mkOption { type = types.nullOr types.str; default = null; };
    virtualisation = { docker.enable = flag; podman.enable = flag; libvirtd.enable = flag; };
  };
  config = {
    _module.freeformType = types.attrsOf types.anything;
    _module.args.pkgs = config.nixpkgs.pkgs;
    _module.args.utils = { escapeSystemdPath = lib.replaceStrings [ "/" ] [ "-" ]; };
    system.build.toplevel =
      let
        failed = map (a: a.message) (lib.filter (a: !a.assertion) config.assertions);
      in
      if failed != [ ] then
        throw "\nFailed assertions:\n${lib.concatMapStrings (m: "- ${m}\n") failed}"
      else
        derivation {
          name = "nixos-system-${config.networking.hostName}-${config.system.nixos.release}";
          system = config.nixpkgs.hostPlatform.system or config.nixpkgs.hostPlatform;
          builder = "/bin/sh";
          packages = map toString config.environment.systemPackages;
          settings = builtins.toJSON (
            lib.mapAttrs (_: plain 6) {
              inherit (config) fileSystems swapDevices warnings;
              inherit (config.users) users groups;
              inherit (config.environment) etc variables;
              inherit (config.systemd) services timers;
              inherit (config.networking) firewall hosts;
              nix = config.nix.settings;
              nginx = config.services.nginx.virtualHosts;
            }
          );
        };
    system.build.vm = config.system.build.toplevel;
  };
}
