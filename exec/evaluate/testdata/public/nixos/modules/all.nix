# NixOS as far as the comparison needs it: any option can be set, and a few are declared, with the types they have.
{
  config,
  lib,
  options,
  ...
}:
let
  inherit (lib) mkOption types;
  # A value of any type. Which attributes a set has is known before their conditions are: modules of unknown options may
  # look at each other. The library of the stand-in knows the name.
  anything = lib.mkOptionType {
    name = "everything";
    merge =
      loc: defs:
      if builtins.all (def: builtins.isAttrs def.value && !(def.value ? outPath)) defs then
        any.merge loc defs
      else
        types.anything.merge loc defs;
    emptyValue.value = { };
  };
  any = types.lazyAttrsOf anything;
  # The services or programs that the flakes of the run mention, with what modules read of those of others.
  mentioned =
    kind:
    lib.genAttrs (lib.subtractLists [ "openssh" "nginx" "xserver" "postgresql" "prometheus" "fish" "zsh" "bash" "ssh" ] (builtins.fromJSON (builtins.readFile ../../options.json)).${kind}) (
      name:
      mkOption {
        default = { };
        type = types.submodule {
          freeformType = anything;
          options = {
            enable = flag;
            package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.hello // { pname = name; }; };
            port = mkOption { type = types.unspecified; default = 1; };
            user = mkOption { type = types.unspecified; default = name; };
            group = mkOption { type = types.unspecified; default = name; };
            dataDir = mkOption { type = types.unspecified; default = "/var/lib/${name}"; };
            settings = set;
          };
        };
      }
    );
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
    environment = {
      systemPackages = list types.package;
      etc = mkOption {
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
      variables = set;
      shellAliases = set;
    };
    boot = {
      kernelModules = list types.str;
      kernelParams = list types.str;
      initrd = {
        availableKernelModules = list types.str;
        kernelModules = list types.str;
        systemd = { enable = flag; };
        luks = set;
      };
      supportedFilesystems = mkOption { type = anything; default = { }; };
      kernelPackages = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.linuxPackages; };
      kernel.sysctl = set;
      zfs = set;
      loader = { grub = { enable = flag; }; systemd-boot = { enable = flag; }; };
    };
    fileSystems = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    swapDevices = list types.anything;
    hardware = { graphics = { enable = flag; }; bluetooth = { enable = flag; }; };
    i18n = { glibcLocales = mkOption { type = types.package; default = config.nixpkgs.pkgs.glibcLocales; }; };
    fonts = { packages = list types.package; };
    users = {
      users = mkOption {
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
                description = mkOption { type = types.str; default = ""; };
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
      groups = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    };
    networking = {
      hostName = mkOption { type = types.str; default = "nixos"; };
      domain = mkOption { type = types.nullOr types.str; default = null; };
      fqdn = mkOption { type = types.str; default = config.networking.hostName + lib.optionalString (config.networking.domain != null) ".${config.networking.domain}"; };
      hostId = mkOption { type = types.nullOr types.str; default = null; };
      firewall = {
        enable = mkOption { type = types.bool; default = true; };
        allowedTCPPorts = list types.port;
        allowedUDPPorts = list types.port;
        interfaces = set;
      };
      hosts = mkOption { type = types.attrsOf (types.listOf types.str); default = { }; };
      nftables = { enable = flag; };
      useNetworkd = flag;
      useDHCP = mkOption { type = types.bool; default = true; };
      interfaces = set;
      networkmanager = { enable = flag; };
    };
    nix = {
      settings = set;
      enable = mkOption { type = types.bool; default = true; };
      package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.nix; };
      registry = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    };
    nixpkgs = {
      system = mkOption { type = types.str; default = "x86_64-linux"; };
      hostPlatform = mkOption { type = types.unspecified; default = config.nixpkgs.system; };
      config = mkOption { type = anything; default = { }; };
      overlays = list types.unspecified;
      pkgs = mkOption {
        type = types.unspecified;
        default = import ../.. {
          inherit (config.nixpkgs) config overlays;
          system = config.nixpkgs.hostPlatform.system or config.nixpkgs.hostPlatform;
        };
      };
    };
    programs = mentioned "programs" // {
      fish = { enable = flag; };
      zsh = { enable = flag; };
      bash = { enable = flag; };
      ssh = set;
    };
    security = { acme = { certs = set; }; };
    services = mentioned "services" // {
      openssh = {
        enable = flag;
        ports = mkOption { type = types.listOf types.port; default = [ 22 ]; };
        settings = set;
        hostKeys = list types.anything;
      };
      nginx = {
        enable = flag;
        package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.nginx; };
        virtualHosts = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
      };
      xserver = { enable = flag; };
      postgresql = {
        enable = flag;
        package = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.postgresql; };
        ensureUsers = list types.anything;
        ensureDatabases = list types.str;
      };
      prometheus = { exporters = mkOption { default = { }; type = types.lazyAttrsOf (types.submodule { freeformType = any; options.port = mkOption { type = types.port; default = 9100; }; }); }; };
    };
    systemd = {
      services = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
      timers = set;
      tmpfiles = { rules = list types.str; };
      network = { enable = flag; };
    };
    system = {
      stateVersion = mkOption { type = types.str; default = "26.05"; };
      nixos = { release = mkOption { type = types.str; default = "26.05"; }; version = mkOption { type = types.str; default = "26.05"; }; };
      activationScripts = mkOption { type = anything; default = { }; };
      build = mkOption { type = types.lazyAttrsOf types.unspecified; default = { }; };
    };
    time = { timeZone = mkOption { type = types.nullOr types.str; default = null; }; };
    virtualisation = { docker = { enable = flag; }; podman = { enable = flag; }; libvirtd = { enable = flag; }; };
  };
  config = {
    _module.freeformType = anything;
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
