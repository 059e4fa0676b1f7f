# A module that was written for NixOps or colmena: it asks the deployer for a key, and
# orders its unit after the key's.
{
  deployment.keys.db-password = {
    keyCommand = [
      "pass"
      "show"
      "db"
    ];
    destDir = "/run/keys";
  };
  systemd.services.app = {
    wantedBy = [ "multi-user.target" ];
    wants = [ "db-password-key.service" ];
    after = [ "db-password-key.service" ];
    script = "exec cat /run/keys/db-password";
  };
}
