# Host name, addresses, names of other hosts, and the firewall.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.networking;
  fw = cfg.firewall;

  hostLabel = types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$";
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  strings = description: mkOption {
    type = types.listOf types.str;
    default = [ ];
    inherit description;
  };
  ports = description: mkOption {
    type = types.listOf types.port;
    default = [ ];
    inherit description;
  };
  ranges = description: mkOption {
    type = types.listOf (types.attrsOf types.port);
    default = [ ];
    example = [
      {
        from = 1000;
        to = 1010;
      }
    ];
    inherit description;
  };
  openings = {
    allowedTCPPorts = ports "TCP ports open to everyone." // {
      apply = xs: lib.unique (builtins.sort builtins.lessThan xs);
    };
    allowedUDPPorts = ports "UDP ports open to everyone." // {
      apply = xs: lib.unique (builtins.sort builtins.lessThan xs);
    };
    allowedTCPPortRanges = ranges "Ranges of open TCP ports.";
    allowedUDPPortRanges = ranges "Ranges of open UDP ports.";
  };
  addresses = bits: types.listOf (
    types.submodule {
      options = {
        address = mkOption {
          type = types.str;
          description = "The address.";
        };
        prefixLength = mkOption {
          type = types.ints.between 0 bits;
          description = "Bits of the network's prefix.";
        };
      };
    }
  );
  family = bits: {
    addresses = mkOption {
      type = addresses bits;
      default = [ ];
      description = "Static addresses.";
    };
    routes = mkOption {
      type = types.listOf (types.attrsOf types.unspecified);
      default = [ ];
      description = "Static routes.";
    };
  };
  gateway = types.nullOr (
    types.coercedTo types.str (address: { inherit address; }) (
      types.submodule {
        options = {
          address = mkOption {
            type = types.str;
            description = "The gateway's address.";
          };
          interface = maybe types.str "The interface it is reached by.";
          metric = maybe types.int "The route's metric.";
        };
      }
    )
  );

  interface =
    { name, ... }:
    {
      options = {
        name = mkOption {
          type = types.str;
          default = name;
          description = "The interface's name.";
        };
        ipv4 = family 32;
        ipv6 = family 128;
        useDHCP = maybe types.bool "Whether DHCP is asked for this interface.";
        mtu = maybe types.int "The MTU.";
        macAddress = maybe types.str "The MAC address.";
        virtual = flag false "Whether the interface is virtual.";
        wakeOnLan.enable = flag false "Whether the machine can be woken.";
      };
    };

  peer.options = {
    publicKey = mkOption {
      type = types.singleLineStr;
      description = "The peer's public key.";
    };
    presharedKeyFile = maybe types.str "File with the preshared key.";
    allowedIPs = mkOption {
      type = types.listOf types.str;
      description = "Networks behind the peer.";
    };
    endpoint = maybe types.str "Where the peer is, as HOST:PORT.";
    persistentKeepalive = maybe types.int "Seconds between keep-alives.";
    name = mkOption {
      type = types.str;
      default = "";
      description = "The peer's name.";
    };
  };
  tunnel.options = {
    ips = strings "Addresses of the interface, with their prefixes.";
    listenPort = maybe types.port "The UDP port.";
    privateKeyFile = maybe types.str "File with the private key.";
    privateKey = maybe types.str "The private key, readable to all in the store.";
    generatePrivateKeyFile = flag false "Whether a missing private key is made.";
    peers = mkOption {
      type = types.listOf (types.submodule peer);
      default = [ ];
      description = "The peers.";
    };
    mtu = maybe types.int "The MTU.";
    allowedIPsAsRoutes = flag true "Whether the peers' networks are routed.";
    postSetup = mkOption {
      type = types.lines;
      default = "";
      description = "Commands after the interface is up.";
    };
    postShutdown = mkOption {
      type = types.lines;
      default = "";
      description = "Commands after the interface is down.";
    };
  };
  tunnelFile =
    name: t:
    "[Interface]\n"
    + lib.concatMapStrings (ip: "Address = ${ip}\n") t.ips
    + lib.optionalString (t.listenPort != null) "ListenPort = ${toString t.listenPort}\n"
    + lib.optionalString (t.privateKeyFile != null) "PrivateKeyFile = ${t.privateKeyFile}\n"
    + lib.concatMapStrings (
      p:
      "\n[Peer]\nPublicKey = ${p.publicKey}\nAllowedIPs = ${lib.concatStringsSep ", " p.allowedIPs}\n"
      + lib.optionalString (p.endpoint != null) "Endpoint = ${p.endpoint}\n"
      + lib.optionalString (p.persistentKeepalive != null) "PersistentKeepalive = ${toString p.persistentKeepalive}\n"
    ) t.peers;

  # What a firewall section opens, one line a rule.
  rules =
    where: f:
    let
      of =
        proto: single: spans:
        lib.concatMapStrings (port: "accept${where} ${proto} ${toString port}\n") single
        + lib.concatMapStrings (r: "accept${where} ${proto} ${toString r.from}-${toString r.to}\n") spans;
    in
    of "tcp" f.allowedTCPPorts f.allowedTCPPortRanges + of "udp" f.allowedUDPPorts f.allowedUDPPortRanges;
  # Loading rules is to put them where whoever wants to know can read them.
  firewall = "${pkgs.writeShellScript "firewall-load" "exec cp ${rulesFile} /run/firewall\n"}";
  rulesFile = pkgs.writeText "firewall-rules" (
    lib.concatMapStrings (i: "accept in ${i}\n") fw.trustedInterfaces
    + lib.optionalString fw.allowPing "accept icmp echo-request\n"
    + rules "" fw
    + lib.concatStrings (lib.mapAttrsToList (name: rules " in ${name}") fw.interfaces)
    + fw.extraCommands
    + "refuse\n"
  );
in
{
  options.networking = {
    hostName = mkOption {
      type = hostLabel;
      default = "nixos";
      description = "The machine's name, without its domain.";
    };
    domain = maybe types.str "The machine's domain.";
    fqdn = mkOption {
      type = types.str;
      readOnly = true;
      default =
        if cfg.domain == null then
          throw "The FQDN is required but cannot be determined. Please make sure that both networking.hostName and networking.domain are set properly."
        else
          "${cfg.hostName}.${cfg.domain}";
      description = "The machine's name with its domain.";
    };
    fqdnOrHostName = mkOption {
      type = types.str;
      readOnly = true;
      default = if cfg.domain == null then cfg.hostName else cfg.fqdn;
      description = "The name with the domain if there is one.";
    };
    hostId = maybe (types.strMatching "[0-9a-f]{8}") "The machine's 32-bit number, in hexadecimal.";
    hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
      example = {
        "192.168.0.2" = [ "fileserver.local" ];
      };
      description = "Names in /etc/hosts by address.";
    };
    extraHosts = mkOption {
      type = types.lines;
      default = "";
      example = "192.168.0.1 lanlocalhost";
      description = "More lines of /etc/hosts.";
    };
    nameservers = strings "Name servers.";
    search = strings "Domains searched for short names.";
    timeServers = strings "Time servers.";
    enableIPv6 = flag true "Whether IPv6 is on.";
    useDHCP = flag true "Whether DHCP is asked for every interface.";
    useNetworkd = flag false "Whether systemd-networkd configures the network.";
    usePredictableInterfaceNames = flag true "Whether interfaces are named by where they are.";
    networkmanager.enable = flag false "Whether NetworkManager runs.";
    defaultGateway = mkOption {
      type = gateway;
      default = null;
      example = "192.168.0.1";
      description = "The IPv4 gateway.";
    };
    defaultGateway6 = mkOption {
      type = gateway;
      default = null;
      description = "The IPv6 gateway.";
    };
    interfaces = mkOption {
      type = types.attrsOf (types.submodule interface);
      default = { };
      description = "Network interfaces.";
    };
    bridges = mkOption {
      type = types.attrsOf (
        types.submodule {
          options.interfaces = strings "Interfaces in the bridge.";
        }
      );
      default = { };
      description = "Bridges.";
    };
    bonds = mkOption {
      type = types.attrsOf (
        types.submodule {
          options.interfaces = strings "Interfaces that work as one.";
          options.driverOptions = mkOption {
            type = types.attrsOf types.str;
            default = { };
            description = "Options of the driver.";
          };
        }
      );
      default = { };
      description = "Bonds.";
    };
    nat = {
      enable = flag false "Whether addresses are translated.";
      internalInterfaces = strings "Interfaces inside.";
      internalIPs = strings "Networks inside.";
      externalInterface = maybe types.str "The interface outside.";
    };
    firewall = openings // {
      enable = flag true "Whether connections from outside are refused unless allowed.";
      allowPing = flag true "Whether pings are answered.";
      logRefusedConnections = flag true "Whether refused connections are logged.";
      trustedInterfaces = strings "Interfaces from which everything is allowed.";
      checkReversePath = mkOption {
        type = types.either types.bool (types.enum [ "strict" "loose" ]);
        default = true;
        description = "Whether packets from impossible sources are dropped.";
      };
      extraCommands = mkOption {
        type = types.lines;
        default = "";
        description = "More of the start script.";
      };
      extraInputRules = mkOption {
        type = types.lines;
        default = "";
        description = "More rules for what comes in, where nftables is used.";
      };
      extraStopCommands = mkOption {
        type = types.lines;
        default = "";
        description = "More of the stop script.";
      };
      interfaces = mkOption {
        type = types.attrsOf (types.submodule { options = openings; });
        default = { };
        description = "What is open on single interfaces.";
      };
    };
    nftables.enable = flag false "Whether nftables is used for the firewall.";
    wireguard = {
      enable = flag (cfg.wireguard.interfaces != { }) "Whether WireGuard is on.";
      interfaces = mkOption {
        type = types.attrsOf (types.submodule tunnel);
        default = { };
        description = "WireGuard interfaces.";
      };
    };
  };

  config = lib.mkMerge [
    {
      networking.firewall.trustedInterfaces = [ "lo" ];
      networking.hosts = {
        "127.0.0.1" = [ "localhost" ];
        "::1" = lib.mkIf cfg.enableIPv6 [ "localhost" ];
      }
      // lib.optionalAttrs (cfg.hostName != "") {
        "127.0.0.2" = lib.optional (cfg.domain != null) cfg.fqdn ++ [ cfg.hostName ];
      };
      environment.etc = {
        hostname = lib.mkIf (cfg.hostName != "") { text = cfg.hostName + "\n"; };
        hosts.text =
          lib.concatStrings (lib.mapAttrsToList (address: names: "${address} ${toString names}\n") (
            lib.filterAttrs (_: names: names != [ ]) cfg.hosts
          ))
          + cfg.extraHosts;
        "resolv.conf" = lib.mkIf (cfg.nameservers != [ ]) {
          text =
            lib.optionalString (cfg.search != [ ]) "search ${toString cfg.search}\n"
            + lib.concatMapStrings (server: "nameserver ${server}\n") cfg.nameservers;
        };
      };
    }
    (lib.mkIf fw.enable {
      systemd.services.firewall = {
        description = "Firewall";
        wantedBy = [ "multi-user.target" ];
        reloadIfChanged = true;
        serviceConfig = {
          Type = "oneshot";
          RemainAfterExit = true;
          ExecStart = firewall;
          ExecReload = firewall;
        };
      };
    })
    {
      systemd.services = lib.mkMerge (
        lib.mapAttrsToList (name: i: {
          "network-addresses-${name}" = {
            description = "Address configuration of ${name}";
            wantedBy = [ "multi-user.target" ];
            serviceConfig.Type = "oneshot";
            # The interface may be one that a machine of the lab lacks.
            script =
              "[ -e /sys/class/net/${i.name} ] || exit 0\n"
              + lib.concatMapStrings (a: "ip addr replace ${a.address}/${toString a.prefixLength} dev ${i.name}\n") (
                i.ipv4.addresses ++ i.ipv6.addresses
              );
          };
        }) (lib.filterAttrs (_: i: i.ipv4.addresses ++ i.ipv6.addresses != [ ]) cfg.interfaces)
        ++ lib.optionals cfg.wireguard.enable (
          lib.mapAttrsToList (name: t: {
            "wireguard-${name}" = {
              description = "WireGuard Tunnel - ${name}";
              wantedBy = [ "multi-user.target" ];
              path = [ pkgs.wireguard-tools ];
              serviceConfig.Type = "oneshot";
              script = "wg-quick up ${pkgs.writeText "${name}.conf" (tunnelFile name t)}\n${t.postSetup}";
              postStop = t.postShutdown;
            };
          }) cfg.wireguard.interfaces
        )
      );
      assertions = lib.concatLists (
        lib.mapAttrsToList (name: t: [
          {
            assertion = (t.privateKey != null) != (t.privateKeyFile != null);
            message = "networking.wireguard.interfaces.${name}: either privateKey or privateKeyFile must be set, and not both.";
          }
        ]) cfg.wireguard.interfaces
      );
    }
  ];
}
