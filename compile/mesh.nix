# The meshes of the inventory: the peers of a host's WireGuard interfaces, and the names of
# members. The peers are not those of networking.wireguard: NixOS removes a peer whose
# configuration changes and adds it again later, and what is sent in between is lost.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  # Those that this host is a member of.
  meshes = lib.filterAttrs (_: m: m.self != null) config.muster.meshes;
  one = ip: if lib.hasInfix ":" ip then "${ip}/128" else "${ip}/32";
  or' = value: if value == null then "-" else toString value;
  # What a host without an endpoint sends to another one goes through the hub.
  peersOf =
    m:
    let
      me = m.members.${m.self};
      others = lib.mapAttrsToList (name: p: p // { inherit name; }) (builtins.removeAttrs m.members [ m.self ]);
      reached = p: p.endpoint != null || me.endpoint != null;
      relayed = builtins.filter (p: !reached p) others;
      allowed = p: p.ips ++ lib.concatMap (r: r.ips) (lib.optionals (p.name == m.hub) relayed);
      keepAlive = p: if p.endpoint == null then 0 else me.keepAlive;
      line =
        p:
        "peer ${p.name} ${p.publicKey} ${or' p.nextKey} ${lib.concatMapStringsSep "," one (allowed p)} ${or' p.endpoint} ${toString (keepAlive p)}\n";
    in
    lib.concatMapStrings line (builtins.filter reached others);
  table =
    name: m:
    let
      me = m.members.${m.self};
      next = if me.nextKey == null then "-" else "/run/muster-secrets/mesh-${name}-next";
    in
    "self ${toString me.port} /run/muster-secrets/mesh-${name} ${next} ${or' me.nextKey}\n"
    + lib.concatMapStrings (ip: "address ${ip}\n") m.addresses
    + peersOf m;
  tables = pkgs.runCommand "muster-meshes" { } (
    "mkdir $out\n"
    + lib.concatStrings (
      lib.mapAttrsToList (name: m: "ln -s ${pkgs.writeText "mesh-${name}" (table name m)} $out/${name}\n") meshes
    )
  );
  program = pkgs.writeShellScript "muster-mesh" ''
    export PATH=${
      lib.makeBinPath [
        pkgs.coreutils
        pkgs.gnugrep
        pkgs.iproute2
        pkgs.util-linux
        pkgs.wireguard-tools
      ]
    }:$PATH
    tables=${tables}
    ${meshScript}
  '';
  # The unit that makes the interface.
  interfaceUnit = m: name: if m.networkd then "systemd-networkd.service" else "wireguard-${name}.service";
  option =
    type: default: description:
    lib.mkOption { inherit type default description; };
  text = option (lib.types.nullOr lib.types.str) null;
  member.options = {
    publicKey = option lib.types.str "" "Its public key.";
    nextKey = text "The public key that takes the place of that one.";
    ips = option (lib.types.listOf lib.types.str) [ ] "Its addresses.";
    endpoint = text "Where it is reached, as HOST:PORT.";
    port = option lib.types.port 51820 "The UDP port that it listens on.";
    keepAlive = option lib.types.int 0 "Seconds between the empty packets that it sends.";
  };
  mesh.options = {
    self = text "The member that this host is.";
    hub = text "The member through which those without an endpoint reach each other.";
    domain = text "Members know each other as NAME.DOMAIN.";
    networkd = option lib.types.bool false "Whether systemd-networkd makes the interface.";
    addresses = option (lib.types.listOf lib.types.str) [ ] "The addresses of this host, with the networks' prefixes.";
    members = option (lib.types.attrsOf (lib.types.submodule member)) { } "The members, by name.";
  };
in
{
  options.muster.meshes = option (lib.types.attrsOf (
    lib.types.submodule mesh
  )) { } "The meshes of the inventory, by interface.";

  config = lib.mkIf (meshes != { }) {
    environment.etc."muster/mesh".source = program;
    environment.systemPackages = [ pkgs.wireguard-tools ];
    networking.hosts = lib.mkMerge (
      lib.concatLists (
        lib.mapAttrsToList (
          _: m:
          lib.optionals (m.domain != null) (
            lib.mapAttrsToList (name: p: lib.genAttrs p.ips (_: [ "${name}.${m.domain}" ])) m.members
          )
        ) meshes
      )
    );
    # Changed peers, without a moment in which there are none. An interface that is not
    # there yet gets them from its unit.
    system.activationScripts.musterMesh = {
      deps = [ "musterSecrets" ];
      text = ''
        ${program} sync
      '';
    };
    systemd.services = lib.mkMerge (
      lib.mapAttrsToList (
        name: m:
        {
          "muster-mesh-${name}" = {
            description = "Peers of the mesh ${name}";
            wantedBy = [ "multi-user.target" ];
            wants = [ "network-online.target" ];
            after = [
              "network-online.target"
              "muster-secret-mesh-${name}.service"
              (interfaceUnit m name)
            ];
            partOf = [ (interfaceUnit m name) ];
            serviceConfig = {
              Type = "oneshot";
              RemainAfterExit = true;
              Restart = "on-failure";
              RestartSec = 10;
              ExecStart = "/etc/muster/mesh start ${name}";
              ExecReload = "/etc/muster/mesh start ${name}";
            };
          };
        }
        // lib.optionalAttrs (!m.networkd) {
          "wireguard-${name}" = {
            wants = [ "muster-secret-mesh-${name}.service" ];
            after = [ "muster-secret-mesh-${name}.service" ];
          };
        }
      ) meshes
    );
  };
}
