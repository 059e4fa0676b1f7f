# Written by muster compile from hosts.toml; edit that instead.
# hosts.toml:1
{ pkgs, ... }:
{
  networking.extraHosts = "192.168.10.121 il";
  environment.systemPackages = [
    pkgs.kubernetes
    pkgs.kubectl
  ];
  services.kubernetes = {
    roles = [
      "master"
      "node"
    ];
    masterAddress = "il";
    easyCerts = true;
    apiserver = {
      securePort = 443;
      advertiseAddress = "192.168.10.121";
    };
    addons.dns.enable = true;
  };
}
