# What all nodes have in common, in plain NixOS.
{ pkgs, ... }:
{
  boot.loader.grub.device = "/dev/sda";

  services.openssh.enable = true;

  # The key that muster logs in with; without one, the machine would lock
  # everybody out after its first deployment.
  users.users.root.openssh.authorizedKeys.keys = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
  ];

  environment.systemPackages = [
    pkgs.htop
    pkgs.vim
  ];

  system.stateVersion = "24.05";
}
