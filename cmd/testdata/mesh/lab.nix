# What the units of NixOS do on a machine with systemd and WireGuard in its kernel: the
# interfaces of the configuration are there, and its settings of the kernel hold.
{ config, lib, ... }:
{
  system.activationScripts.labInterfaces = {
    deps = [ "etc" ];
    text =
      lib.concatMapStrings (name: ''
        ip link show dev ${name} >/dev/null 2>&1 || LOG_LEVEL=silent wireguard-go ${name} >/dev/null 2>&1
      '') (builtins.attrNames config.networking.wireguard.interfaces)
      + lib.optionalString (config.boot.kernel.sysctl ? "net.ipv4.ip_forward") ''
        echo ${toString config.boot.kernel.sysctl."net.ipv4.ip_forward"} >/proc/sys/net/ipv4/ip_forward
      '';
  };
  system.activationScripts.musterMesh.deps = [ "labInterfaces" ];
}
