# What every machine of these fleets has.
{
  fileSystems."/" = {
    device = "/dev/sda1";
    fsType = "ext4";
  };
  system.stateVersion = "24.11";
}
