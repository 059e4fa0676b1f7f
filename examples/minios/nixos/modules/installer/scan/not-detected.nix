# What generated hardware configurations import.
{ lib, ... }:
{
  hardware.enableRedistributableFirmware = lib.mkDefault true;
}
