# Without what a server does not need.
{ lib, ... }:
{
  documentation.enable = lib.mkDefault false;
  documentation.nixos.enable = lib.mkDefault false;
  programs.nano.enable = lib.mkDefault false;
}
