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
    roles = [ "node" ];
    masterAddress = "il";
    easyCerts = true;
    apiserverAddress = "https://il:443";
    kubelet.kubeconfig.server = "https://il:443";
    addons.dns.enable = true;
  };
}
