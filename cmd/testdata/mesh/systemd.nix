# What NixOS does with the interfaces of networking.wireguard and of systemd-networkd, on a
# machine whose kernel lacks WireGuard: the units are those of NixOS
# (nixos/modules/services/networking/wireguard.nix), and wireguard-go stands for
# ip link add dev wg0 type wireguard. Each writes to /run/lab what it finds of the key.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  path = "PATH=/usr/bin:/usr/sbin:/bin:/sbin";
  add = name: ''
    export ${path}
    mkdir -p /run/lab
    stat -c '%a %U %G' /run/muster-secrets/mesh-${name} >>/run/lab/key-${name} 2>&1
    LOG_LEVEL=silent wireguard-go ${name}
  '';
  wireguard = name: t: {
    after = [ "network.target" ];
    serviceConfig.RemainAfterExit = true;
    script = lib.mkForce ''
      ${add name}
      ${lib.concatMapStrings (ip: "ip address add ${ip} dev ${name}\n") t.ips}
      wg set ${name} private-key ${t.privateKeyFile} listen-port ${toString t.listenPort}
      ip link set up dev ${name}
    '';
    postStop = lib.mkForce "${path} ip link del dev ${name} || true";
  };
  # The interface is there before systemd-networkd would make it, which takes it as it is.
  networkd = name: {
    wantedBy = [ "multi-user.target" ];
    before = [ "systemd-networkd.service" ];
    wants = [ "systemd-networkd.service" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = add name;
  };
  meshes = lib.filterAttrs (_: m: m.self != null) config.muster.meshes;
in
{
  systemd.services =
    lib.mapAttrs' (name: t: lib.nameValuePair "wireguard-${name}" (wireguard name t)) config.networking.wireguard.interfaces
    // lib.mapAttrs' (name: _: lib.nameValuePair "lab-${name}" (networkd name)) (lib.filterAttrs (_: m: m.networkd) meshes);
}
