# As it was before muster: agenix decrypts at activation with the host's SSH key.
{ config, ... }:
{
  age.secrets.db.file = ./secrets/db.age;
  environment.etc."app/paths".text = ''
    ${config.age.secrets.db.path}
    /run/muster-secrets/token
  '';
}
