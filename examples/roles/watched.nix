# A machine that is looked after: it says once a day how its disks are.
{ config, ... }:
{
  services.cron.enable = true;
  services.cron.systemCronJobs = [ "0 6 * * * root df -h / | mail -s ${config.networking.hostName} ops@example.org" ];
}
