# What all nodes have in common, in plain NixOS.
{ pkgs, ... }:
{
  boot.loader.grub.device = "/dev/sda";

  services.openssh.enable = true;

  # The key that muster logs in with; without one, the machine would lock
  # everybody out after its first deployment.
  users.users.root.openssh.authorizedKeys.keyFiles = [ ./operator.pub ];

  environment.systemPackages = [
    pkgs.htop
    pkgs.vim
  ];

  system.stateVersion = "24.05";
}
