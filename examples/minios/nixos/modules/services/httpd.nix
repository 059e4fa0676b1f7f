# The Apache web server.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption mkRemovedOptionModule types;
  cfg = config.services.httpd;
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
  strings = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  perHost = what: mkRemovedOptionModule [ "services" "httpd" what ] "Please define a virtual host using `services.httpd.virtualHosts`.";

  listen.options = {
    ip = mkOption {
      type = types.str;
      default = "*";
      description = "Address.";
    };
    port = mkOption {
      type = types.port;
      description = "Port.";
    };
    ssl = flag false "Whether TLS is spoken.";
  };
  virtualHost =
    { name, ... }:
    {
      options = {
        hostName = mkOption {
          type = types.str;
          default = name;
          description = "The host's name.";
        };
        serverAliases = strings "Other names.";
        listen = mkOption {
          type = types.listOf (types.submodule listen);
          default = [ ];
          description = "Where to listen; 80, and 443 with TLS, if empty.";
        };
        documentRoot = maybe types.path "The directory to serve.";
        adminAddr = maybe types.str "Address of the administrator.";
        addSSL = flag false "Whether TLS is spoken beside plain HTTP.";
        forceSSL = flag false "Whether plain HTTP is sent on to TLS.";
        onlySSL = flag false "Whether TLS only is spoken.";
        enableACME = flag false "Whether the certificate comes from ACME.";
        sslServerCert = maybe types.path "The certificate.";
        sslServerKey = maybe types.path "Its key.";
        globalRedirect = maybe types.str "Where everything is sent on to.";
        enableUserDir = flag false "Whether ~user is served.";
        robotsEntries = text "robots.txt.";
        servedDirs = mkOption {
          type = types.listOf types.attrs;
          default = [ ];
          description = "Directories by URL.";
        };
        servedFiles = mkOption {
          type = types.listOf types.attrs;
          default = [ ];
          description = "Files by URL.";
        };
        extraConfig = text "More of the virtual host.";
        locations = mkOption {
          type = types.attrsOf (
            types.submodule {
              options = {
                proxyPass = maybe types.str "Where requests are passed on.";
                index = maybe types.str "Names of index files.";
                alias = maybe types.path "The directory served instead.";
                extraConfig = text "More of the location.";
                priority = mkOption {
                  type = types.int;
                  default = 1000;
                  description = "Order.";
                };
              };
            }
          );
          default = { };
          description = "Parts of the site.";
        };
      };
    };

  tls = h: h.addSSL || h.forceSSL || h.onlySSL;
  listensOf =
    h:
    if h.listen != [ ] then
      h.listen
    else
      lib.optional (!h.onlySSL) { ip = "*"; port = 80; ssl = false; }
      ++ lib.optional (tls h) { ip = "*"; port = 443; ssl = true; };
  hosts = builtins.attrValues cfg.virtualHosts;

  hostConfig = h: lib.concatMapStrings (l: ''
    <VirtualHost ${l.ip}:${toString l.port}>
      ServerName ${h.hostName}
      ${lib.concatMapStrings (alias: "ServerAlias ${alias}\n") h.serverAliases}ServerAdmin ${
        if h.adminAddr != null then h.adminAddr else cfg.adminAddr
      }
      ${lib.optionalString (h.documentRoot != null) "DocumentRoot \"${h.documentRoot}\""}
      ${lib.optionalString (h.globalRedirect != null) "RedirectPermanent / ${h.globalRedirect}"}
      ${lib.concatStrings (
        lib.mapAttrsToList (
          path: loc:
          lib.optionalString (loc.proxyPass != null) "ProxyPass ${path} ${loc.proxyPass}\n"
          + lib.optionalString (loc.alias != null) "Alias ${path} \"${loc.alias}\"\n"
          + loc.extraConfig
        ) h.locations
      )}${h.extraConfig}
    </VirtualHost>
  '') (listensOf h);
  configFile = pkgs.writeText "httpd.conf" (
    lib.concatMapStrings (l: "Listen ${l}\n") (
      lib.unique (map (l: "${l.ip}:${toString l.port}") (lib.concatMap listensOf hosts))
    )
    + "ServerAdmin ${cfg.adminAddr}\n${cfg.extraConfig}"
    + lib.concatMapStrings hostConfig hosts
  );
in
{
  imports = map perHost [
    "documentRoot"
    "hostName"
    "port"
    "servedDirs"
    "servedFiles"
  ];

  options.services.httpd = {
    enable = lib.mkEnableOption "the Apache HTTP Server";
    package = lib.mkPackageOption pkgs "apacheHttpd" { };
    adminAddr = maybe types.str "Address of the administrator.";
    user = mkOption {
      type = types.str;
      default = "wwwrun";
      description = "The server's user.";
    };
    group = mkOption {
      type = types.str;
      default = "wwwrun";
      description = "The server's group.";
    };
    extraModules = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      description = "More modules.";
    };
    enablePHP = flag false "Whether PHP runs.";
    extraConfig = text "More of httpd.conf.";
    virtualHosts = mkOption {
      type = types.attrsOf (types.submodule virtualHost);
      default.localhost = { };
      example = {
        localhost.documentRoot = "/webroot";
      };
      description = "What is served, by name.";
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = cfg.adminAddr != null || builtins.all (h: h.adminAddr != null) hosts;
        message = "services.httpd.adminAddr must be set, or adminAddr of every virtual host.";
      }
    ];
    users.users = lib.mkIf (cfg.user == "wwwrun") {
      wwwrun = {
        isSystemUser = true;
        inherit (cfg) group;
        description = "Apache httpd user";
      };
    };
    users.groups = lib.mkIf (cfg.group == "wwwrun") { wwwrun = { }; };
    environment.systemPackages = [ cfg.package ];
    systemd.services.httpd = {
      description = "Apache HTTPD";
      wantedBy = [ "multi-user.target" ];
      after = [ "network.target" ];
      serviceConfig = {
        ExecStart = "${cfg.package}/bin/httpd -DFOREGROUND -f ${configFile}";
        Restart = "always";
        User = cfg.user;
        Group = cfg.group;
      };
    };
  };
}
