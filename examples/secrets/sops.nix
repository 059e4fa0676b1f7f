# As it was before muster: sops-nix decrypts at activation with the host's SSH key.
{ config, ... }:
{
  sops.defaultSopsFile = ./secrets/all.yaml;
  sops.secrets.db.owner = "root";
  # Its secrets and those of the inventory side by side.
  environment.etc."app/paths".text = ''
    ${config.sops.secrets.db.path}
    /run/muster-secrets/token
  '';
}
