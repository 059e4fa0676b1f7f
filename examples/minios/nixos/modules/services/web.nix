# Caddy, nginx and certificates.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  caddy = config.services.caddy;
  nginx = config.services.nginx;
  acme = config.security.acme;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  text = description: mkOption {
    type = types.lines;
    default = "";
    inherit description;
  };
  site =
    { name, ... }:
    {
      options = {
        hostName = mkOption {
          type = types.str;
          default = name;
          description = "The site's address.";
        };
        serverAliases = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Other names.";
        };
        listenAddresses = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "Addresses to listen on.";
        };
        useACMEHost = maybe types.str "Whose certificate is used.";
        logFormat = text "How requests are logged.";
        extraConfig = text "The site's Caddyfile block.";
      };
    };
  indent = s: lib.concatMapStrings (line: "\t${line}\n") (lib.splitString "\n" (lib.removeSuffix "\n" s));
  caddyfile = pkgs.writeText "Caddyfile" (
    lib.optionalString (caddy.globalConfig != "" || caddy.email != null) (
      "{\n"
      + lib.optionalString (caddy.email != null) "\temail ${caddy.email}\n"
      + lib.optionalString (caddy.globalConfig != "") (indent caddy.globalConfig)
      + "}\n"
    )
    + caddy.extraConfig
    + lib.concatStrings (
      lib.mapAttrsToList (
        _: h: "\n${toString ([ h.hostName ] ++ h.serverAliases)} {\n${indent h.extraConfig}}\n"
      ) caddy.virtualHosts
    )
  );
in
{
  options.services.caddy = {
    enable = lib.mkEnableOption "Caddy web server";
    package = lib.mkPackageOption pkgs "caddy" { };
    email = maybe types.str "Address for the certificate authority.";
    user = mkOption {
      type = types.str;
      default = "caddy";
      description = "The server's user.";
    };
    group = mkOption {
      type = types.str;
      default = "caddy";
      description = "The server's group.";
    };
    dataDir = mkOption {
      type = types.path;
      default = "/var/lib/caddy";
      description = "Where certificates are kept.";
    };
    acmeCA = maybe types.str "The certificate authority.";
    adapter = maybe types.str "The adapter of the configuration.";
    enableReload = flag true "Whether a changed configuration is reloaded, not restarted.";
    configFile = mkOption {
      type = types.path;
      default = caddyfile;
      description = "The configuration, if not made from these options.";
    };
    globalConfig = text "The global block.";
    extraConfig = text "More of the Caddyfile.";
    logFormat = text "How things are logged.";
    virtualHosts = mkOption {
      type = types.attrsOf (types.submodule site);
      default = { };
      example = {
        "example.org".extraConfig = "reverse_proxy 127.0.0.1:2368";
      };
      description = "Sites by address.";
    };
  };
  options.services.nginx = {
    enable = lib.mkEnableOption "Nginx web server";
    package = lib.mkPackageOption pkgs "nginx" { };
    recommendedGzipSettings = flag false "Accepted, without effect here.";
    recommendedOptimisation = flag false "Accepted, without effect here.";
    recommendedProxySettings = flag false "Accepted, without effect here.";
    recommendedTlsSettings = flag false "Accepted, without effect here.";
    appendHttpConfig = text "More of the http block.";
    virtualHosts = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            root = maybe types.path "The directory to serve.";
            default = flag false "Whether this is the default.";
            forceSSL = flag false "Whether plain HTTP is sent on to TLS.";
            enableACME = flag false "Whether the certificate comes from ACME.";
            extraConfig = text "More of the server block.";
            locations = mkOption {
              type = types.attrsOf (
                types.submodule {
                  options = {
                    proxyPass = maybe types.str "Where requests are passed on.";
                    root = maybe types.path "The directory to serve.";
                    extraConfig = text "More of the location.";
                  };
                }
              );
              default = { };
              description = "Parts of the site.";
            };
          };
        }
      );
      default = { };
      description = "Sites by name.";
    };
  };
  options.security.acme = {
    acceptTerms = flag false "Whether the authority's terms are accepted.";
    defaults.email = maybe types.str "Address for the authority.";
    certs = mkOption {
      type = types.attrsOf (
        types.submodule {
          freeformType = types.attrsOf types.anything;
          options.email = maybe types.str "Address for the authority.";
        }
      );
      default = { };
      description = "Certificates by domain.";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf caddy.enable {
      users.users = lib.mkIf (caddy.user == "caddy") {
        caddy = {
          isSystemUser = true;
          inherit (caddy) group;
          home = caddy.dataDir;
        };
      };
      users.groups = lib.mkIf (caddy.group == "caddy") { caddy = { }; };
      environment.etc."caddy/caddy_config".source = caddy.configFile;
      systemd.services.caddy = {
        description = "Caddy";
        wantedBy = [ "multi-user.target" ];
        after = [ "network-online.target" ];
        reloadIfChanged = caddy.enableReload;
        restartTriggers = [ caddy.configFile ];
        serviceConfig = {
          ExecStart = "${caddy.package}/bin/caddy run --config /etc/caddy/caddy_config --adapter caddyfile";
          ExecReload = "${caddy.package}/bin/caddy reload --config /etc/caddy/caddy_config --adapter caddyfile --force";
          User = caddy.user;
          Group = caddy.group;
          Restart = "on-failure";
        };
      };
    })
    (lib.mkIf nginx.enable {
      systemd.services.nginx = {
        description = "Nginx Web Server";
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${nginx.package}/bin/nginx -c ${
          pkgs.writeText "nginx.conf" (
            lib.concatStrings (
              lib.mapAttrsToList (name: h: ''
                server {
                  server_name ${name};
                  ${lib.optionalString (h.root != null) "root ${h.root};"}
                  ${lib.concatStrings (
                    lib.mapAttrsToList (path: l: ''
                      location ${path} {
                        ${lib.optionalString (l.proxyPass != null) "proxy_pass ${l.proxyPass};"}
                        ${l.extraConfig}
                      }
                    '') h.locations
                  )}${h.extraConfig}
                }
              '') nginx.virtualHosts
            )
            + nginx.appendHttpConfig
          )
        }";
      };
    })
    {
      assertions = [
        {
          assertion = acme.certs == { } || acme.acceptTerms;
          message = "You must accept the CA's terms of service before using the ACME module by setting `security.acme.acceptTerms` to `true`.";
        }
      ];
    }
  ];
}
