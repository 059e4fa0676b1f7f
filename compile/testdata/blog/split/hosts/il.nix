# Written by muster compile from hosts.toml; edit that instead.
# hosts.toml:3
{
  imports = [ ../roles/kubernetes-master.nix ];

  deployment = {
    targetHost = "192.168.10.121";
    targetEnv = "none";
  };
  networking.hostName = "il";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
    fsType = "ext4";
  };
}
