# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:60
{ nodes, ... }:
{
  deployment = {
    targetHost = "2001:db8::1";
    targetEnv = "none";
  };
  networking.hostName = "db";
  networking.nameservers = [ nodes.vps.config.deployment.targetHost ];
}
