# The port at which a host serves store paths to others of its site, open to them alone.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.muster.peers;
  networking = config.networking;
  list =
    default: description:
    lib.mkOption {
      type = lib.types.listOf lib.types.str;
      inherit default description;
    };
  # Of the other hosts: IPv6 addresses have colons.
  addresses = builtins.filter (a: !builtins.elem a cfg.own) (cfg.sites.${cfg.site} or [ ]);
  families = builtins.partition (lib.hasInfix ":") addresses;
  port = toString cfg.port;
  accept =
    program: from:
    lib.optionalString (
      from != [ ]
    ) "${program} -w -A nixos-fw -p tcp -s ${lib.concatStringsSep "," from} --dport ${port} -j nixos-fw-accept\n";
  allow =
    family: from:
    lib.optionalString (
      from != [ ]
    ) "${family} saddr { ${lib.concatStringsSep ", " from} } tcp dport ${port} accept\n";
in
{
  options.muster.peers = {
    port = lib.mkOption {
      type = lib.types.port;
      description = "The TCP port.";
    };
    site = lib.mkOption {
      type = lib.types.str;
      description = "The site of this host.";
    };
    own = list [ ] "The addresses of this host.";
    sites = lib.mkOption {
      type = lib.types.attrsOf (lib.types.listOf lib.types.str);
      default = { };
      description = "The addresses of the hosts of each site.";
    };
  };
  config.networking.firewall =
    if networking.nftables.enable or false then
      lib.optionalAttrs (options.networking.firewall ? extraInputRules) {
        extraInputRules = allow "ip" families.wrong + allow "ip6" families.right;
      }
    else
      {
        extraCommands =
          accept "iptables" families.wrong
          + lib.optionalString (networking.enableIPv6 or true) (accept "ip6tables" families.right);
      };
}
