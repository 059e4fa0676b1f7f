# Written by muster compile from hosts.toml; edit that instead.
# hosts.toml:6
{
  imports = [ ../roles/kubernetes-node.nix ];

  deployment = {
    targetHost = "192.168.10.122";
    targetEnv = "none";
  };
  networking.hostName = "ee";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/7278ee48-598d-40fd-9765-a0b0db9ba1d9";
    fsType = "ext4";
  };
}
