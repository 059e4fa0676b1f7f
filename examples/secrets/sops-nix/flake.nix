# The options of sops-nix that sops.nix uses.
{
  outputs =
    { self }:
    {
      nixosModules.sops =
        { config, lib, ... }:
        {
          options.sops = {
            defaultSopsFile = lib.mkOption { type = lib.types.path; };
            age.sshKeyPaths = lib.mkOption {
              type = lib.types.listOf lib.types.str;
              default = [ "/etc/ssh/ssh_host_ed25519_key" ];
            };
            secrets = lib.mkOption {
              default = { };
              type = lib.types.attrsOf (
                lib.types.submodule (
                  { name, ... }:
                  {
                    options = {
                      owner = lib.mkOption {
                        type = lib.types.str;
                        default = "root";
                      };
                      path = lib.mkOption {
                        type = lib.types.str;
                        default = "/run/secrets/${name}";
                      };
                    };
                  }
                )
              );
            };
          };
          config.system.activationScripts.setupSecrets = {
            deps = [
              "users"
              "groups"
            ];
            text = ''
              echo sops-install-secrets ${config.sops.defaultSopsFile}
            '';
          };
        };
    };
}
