# The options of agenix that agenix.nix uses.
{
  outputs =
    { self }:
    {
      nixosModules.default =
        { config, lib, ... }:
        {
          options.age = {
            identityPaths = lib.mkOption {
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
                      file = lib.mkOption { type = lib.types.path; };
                      path = lib.mkOption {
                        type = lib.types.str;
                        default = "/run/agenix/${name}";
                      };
                    };
                  }
                )
              );
            };
          };
          config.system.activationScripts.agenix = {
            deps = [ "users" ];
            text = lib.concatStrings (
              lib.mapAttrsToList (name: s: ''
                echo age --decrypt ${s.file} -o ${s.path}
              '') config.age.secrets
            );
          };
        };
    };
}
