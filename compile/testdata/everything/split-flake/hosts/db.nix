# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:60
{ nodes, ... }:
{
  networking.hostName = "db";
  networking.nameservers = [ nodes.vps.config.deployment.targetHost ];
}
