# The units NAME-key.service of deployment.keys: each is there when the secret of the
# inventory with its name is.
{ config, lib, ... }:
{
  systemd.services = lib.mapAttrs' (
    name: _:
    let
      secret = "muster-secret-${name}.service";
    in
    lib.nameValuePair "${name}-key" {
      description = "Secret ${name}, by the name that deployment.keys gives it";
      requires = [ secret ];
      after = [ secret ];
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "/etc/muster/secrets have ${name}";
      };
    }
  ) (config.deployment.keys or { });
}
