# Written by muster compile from hosts.toml; edit that instead.
# hosts.toml:9
{
  imports = [ ../roles/kubernetes-node.nix ];

  deployment = {
    targetHost = "192.168.10.123";
    targetEnv = "none";
  };
  networking.hostName = "sam";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/f433b748-e485-4668-a7fd-fc5d92fbd682";
    fsType = "ext4";
  };
}
