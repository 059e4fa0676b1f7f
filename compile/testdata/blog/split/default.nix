# Written by muster compile from hosts.toml; edit that instead.
{
  network = {
    description = "kubernetes cluster";
    enableRollback = true;
  };

  il = ./hosts/il.nix;
  ee = ./hosts/ee.nix;
  sam = ./hosts/sam.nix;
}
