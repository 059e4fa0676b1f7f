# For machines nobody sits at.
{ lib, ... }:
{
  boot.kernelParams = [ "panic=1" ];
  boot.loader.timeout = lib.mkDefault 0;
}
