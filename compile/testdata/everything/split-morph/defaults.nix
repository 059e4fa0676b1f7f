# Written by muster compile from hosts.cue; edit that instead.
{
  imports = [
    ./roles/plainSystem.nix
    ../base.nix
  ];

  time.timeZone = "Europe/Berlin";
  services.openssh.enable = true;
}
