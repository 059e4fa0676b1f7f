# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:17
{
  imports = [ ../base.nix ];

  time.timeZone = "Europe/Berlin";
  services.openssh.enable = true;
}
