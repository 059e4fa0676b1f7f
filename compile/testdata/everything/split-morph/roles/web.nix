# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:6
{
  config,
  lib,
  pkgs,
  ...
}:
{
  services.httpd = {
    enable = true;
    adminAddr = "admin@example.org";
    virtualHosts."example.org".documentRoot = "${pkgs.valgrind.doc}/share";
  };
  networking.firewall.allowedTCPPorts = lib.mkMerge [
    [ 80 ]
    (lib.mkIf config.services.httpd.enable [ 443 ])
  ];
}
