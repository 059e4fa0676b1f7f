# A NixOS module for all hosts.
{ pkgs, ... }:
{
  boot.loader.grub.device = "/dev/sda";

  services.openssh.enable = true;

  # The key that muster logs in with. Without one, nobody can log in after
  # the first deployment.
  users.users.root.openssh.authorizedKeys.keyFiles = [ ./operator.pub ];

  environment.systemPackages = [
    pkgs.htop
    pkgs.vim
  ];

  system.stateVersion = "24.05";
}
