# A monitored machine: it reports the state of its disks once a day.
{ config, ... }:
{
  services.cron.enable = true;
  services.cron.systemCronJobs = [ "0 6 * * * root df -h / | mail -s ${config.networking.hostName} ops@example.org" ];
}
