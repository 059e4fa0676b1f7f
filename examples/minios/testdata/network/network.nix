# The three-node kluster as muster compiles it: a network in the style of NixOps.
{
  network = {
    description = "kluster";
    enableRollback = true;
  };

  defaults =
    { pkgs, ... }:
    {
      boot.loader.grub.device = "/dev/sda";
      boot.tmp.cleanOnBoot = true;
      environment.systemPackages = [
        pkgs.htop
        pkgs.vim
      ];
      services.openssh.enable = true;
      services.openssh.settings.PermitRootLogin = "prohibit-password";
      users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample admin" ];
    };

  il =
    { nodes, ... }:
    {
      deployment.targetHost = "192.168.10.121";
      deployment.targetEnv = "none";
      fileSystems."/" = {
        device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
        fsType = "ext4";
      };
      networking.hostName = "il";
      networking.extraHosts = "192.168.10.121 il";
      # Names the other hosts by what they are configured to be called.
      environment.etc.peers.text =
        nodes.ee.config.networking.hostName + " " + nodes.sam.config.networking.hostName;
      services.kubernetes = {
        roles = [
          "master"
          "node"
        ];
        masterAddress = "il";
        easyCerts = true;
        kubelet.extraOpts = "--fail-swap-on=false";
      };
    };

  ee =
    { nodes, ... }:
    {
      deployment.targetHost = "192.168.10.122";
      deployment.targetEnv = "none";
      fileSystems."/".device = "/dev/disk/by-uuid/7278ee48-598d-40fd-9765-a0b0db9ba1d9";
      networking.hostName = "ee";
      networking.extraHosts = "${nodes.il.config.deployment.targetHost} il";
      services.kubernetes = {
        roles = [ "node" ];
        masterAddress = nodes.il.config.networking.hostName;
        apiserverAddress = nodes.il.config.services.kubernetes.apiserverAddress;
        easyCerts = true;
      };
    };

  sam =
    { name, nodes, ... }:
    {
      deployment.targetHost = "192.168.10.123";
      deployment.targetEnv = "none";
      fileSystems."/".device = "/dev/disk/by-uuid/f433b748-e485-4668-a7fd-fc5d92fbd682";
      networking.hostName = name;
      services.kubernetes = {
        roles = [ "node" ];
        masterAddress = nodes.il.config.networking.hostName;
      };
    };
}
