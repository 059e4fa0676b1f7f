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
      else if builtins.all (def: builtins.isList def.value) defs then
        lib.concatMap (def: def.value) defs
      else if builtins.all (def: builtins.isString def.value) defs then
        lib.concatStringsSep "\n" (lib.unique (map (def: def.value) defs))
      else
        types.anything.merge loc defs;
    emptyValue.value = { };
  };
  any = types.lazyAttrsOf anything;
  # What modules read of the services and programs of others, which the flakes of the run mention.
  mentioned = builtins.fromJSON (builtins.readFile ../../options.json);
  unset = name: {
    enable = false;
    package = config.nixpkgs.pkgs.hello // { pname = name; };
    port = 1;
    user = name;
    group = name;
    dataDir = "/var/lib/${name}";
    stateDir = "/var/lib/${name}";
    configDir = "/etc/${name}";
    settings = { };
    interfaceName = "${name}0";
  };
  list = type: mkOption { type = types.listOf type; default = [ ]; };
  set = mkOption { type = any; default = { }; };
  flag = mkOption { type = types.bool; default = false; };
  units =
    kind:
    mkOption {
      default = { };
      type = types.attrsOf (
        types.submodule (
          { name, ... }:
          {
            freeformType = any;
            options.name = mkOption { type = types.str; default = "${name}.${kind}"; };
          }
        )
      );
    };
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
    # What is known of options that nobody declares: their names below a path, and what they are.
    _stub = mkOption {
      internal = true;
      default = {
        names =
          at:
          if builtins.length at == 1 then
            lib.genAttrs (mentioned.${builtins.head at} or [ ]) (_: { })
          else if at == [ "services" "prometheus" ] then
            { exporters = { }; }
          else if at == [ "services" "prometheus" "exporters" ] then
            { node = { }; }
          else
            { };
        value =
          at:
          if builtins.length at == 2 && mentioned ? ${builtins.head at} || builtins.length at == 4 && builtins.elemAt at 2 == "exporters" then
            unset (lib.last at)
          else
            { };
      };
      type = types.raw;
    };
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
            options.source = mkOption { type = types.unspecified; default = config.nixpkgs.pkgs.hello; };
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
      zfs.enabled = flag;
      loader = { grub = { enable = flag; }; systemd-boot = { enable = flag; }; };
    };
    fileSystems = mkOption { type = types.attrsOf (types.submodule { freeformType = any; }); default = { }; };
    swapDevices = list types.anything;
    hardware = { graphics = { enable = flag; }; bluetooth = { enable = flag; }; };
    i18n = { glibcLocales = mkOption { type = types.package; default = config.nixpkgs.pkgs.glibcLocales; }; };
    fonts = { packages = list types.package; fontconfig.enable = flag; };
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
                isSystemUser = flag;
                uid = mkOption { type = types.nullOr types.int; default = null; };
                openssh.authorizedKeys.keys = list types.str;
                openssh.authorizedKeys.keyFiles = list types.path;
              };
            }
          )
        );
      };
      groups = mkOption {
        default = { };
        type = types.attrsOf (
          types.submodule (
            { name, ... }:
            {
              freeformType = any;
              options.name = mkOption { type = types.str; default = name; };
            }
          )
        );
      };
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
    programs = {
      fish = { enable = flag; };
      zsh = { enable = flag; };
      bash = { enable = flag; };
      ssh = set;
    };
    security = { sudo.extraRules = list types.anything; acme = { certs = set; }; };
    services = {
      openssh = {
        enable = flag;
        ports = mkOption { type = types.listOf types.port; default = [ 22 ]; };
        settings = set;
        hostKeys = mkOption { type = types.listOf types.anything; default = [ { type = "ed25519"; path = "/etc/ssh/ssh_host_ed25519_key"; } ]; };
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
    };
    systemd = {
      services = units "service";
      sockets = units "socket";
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
    virtualisation = { docker = { enable = flag; }; podman = { enable = flag; }; libvirtd = { enable = flag; }; incus = { enable = flag; }; };
  };
  config = {
    _module.freeformType = anything;
    _module.args.pkgs = config.nixpkgs.pkgs;
    # Users that services make, which others read.
    users.users = lib.genAttrs [ "acme" "caddy" "grafana" "hydra" "nginx" "postgres" "prometheus" "root" ] (_: { });
    users.groups = lib.genAttrs [ "acme" "caddy" "grafana" "hydra" "nginx" "postgres" "prometheus" ] (name: { inherit name; });
    _module.args.utils = { escapeSystemdPath = lib.replaceStrings [ "/" ] [ "-" ]; };
    # Of packages, texts and services it has the names: much of what they are made of is not here.
    system.build.toplevel = derivation {
      name = "nixos-system-${config.networking.hostName}-${config.system.nixos.release}";
      system = config.nixpkgs.hostPlatform.system or config.nixpkgs.hostPlatform;
      builder = "/bin/sh";
      settings = builtins.toJSON (
        lib.mapAttrs (_: plain 6) {
          inherit (config) fileSystems swapDevices;
          inherit (config.networking) domain firewall hosts;
          users = lib.mapAttrs (_: u: { inherit (u) home group extraGroups uid; inherit (u.openssh.authorizedKeys) keys; }) config.users.users;
          groups = builtins.attrNames config.users.groups;
          etc = builtins.attrNames config.environment.etc;
          services = builtins.attrNames config.systemd.services;
          timers = builtins.attrNames config.systemd.timers;
          nginx = builtins.attrNames config.services.nginx.virtualHosts;
          nix = builtins.attrNames config.nix.settings;
          version = config.system.stateVersion;
        }
      );
    };
    system.build.vm = config.system.build.toplevel;
  };
}
