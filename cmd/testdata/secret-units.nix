{ pkgs, ... }: {
  users.users.app = { isSystemUser = true; group = "ops"; uid = 911; };
  users.groups.ops.gid = 911;
  systemd.services.app = {
    description = "FIRST";
    wantedBy = [ "multi-user.target" ];
    serviceConfig.Type = "notify";
    serviceConfig.NotifyAccess = "all";
    script = ''
      grep -q bad /run/muster-secrets/restarts1 && exit 1
      systemd-notify --ready
      exec sleep infinity
    '';
  };
  systemd.services.web = {
    wantedBy = [ "multi-user.target" ];
    reload = "test -s /run/muster-secrets/reloads0";
    script = "exec sleep infinity";
  };
}
