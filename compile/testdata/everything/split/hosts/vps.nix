# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:26
{ lib, pkgs, ... }:
{
  imports = [
    ../roles/web.nix
    (
      { pkgs, ... }:
      {
        # kept as it is
        programs.git.package = pkgs.git;
      }
    )
  ];

  deployment = {
    targetHost = "vps.example.org";
    targetPort = 2222;
    targetUser = "deploy";
    targetEnv = "none";
  };
  networking.hostName = "vps";
  networking.firewall.enable = lib.mkForce true;
  nixpkgs.hostPlatform = "aarch64-linux";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952322";
    fsType = "ext4";
  };
  fileSystems."/boot" = {
    device = "/dev/vda1";
    fsType = "vfat";
    options = [ "umask=0077" ];
  };
  swapDevices = [
    {
      device = "/swapfile";
      size = 2048;
    }
  ];
  environment.systemPackages = [
    pkgs.htop
    (pkgs.hello.overrideAttrs (_: {
      doCheck = false;
    }))
  ];
  environment.etc = {
    motd.text = ''
      Welcome to ''${HOSTNAME}.
        Mind the '''gap'''.'';
    "odd name".source = ../../motd;
  };
  services.x = {
    a = null;
    b = -1;
    c = 1.5;
    d = [ ];
    e = { };
    "with" = "keyword";
  };
  boot.kernelParams = lib.mkBefore [ "quiet" ];
  boot.tmp.cleanOnBoot = lib.mkDefault true;
  boot.kernel.sysctl."vm.swappiness" = lib.mkOverride 40 10;
}
