# Secrets that muster sends to the host. They are in memory, in
# /run/muster-secrets; what is on the disk is encrypted to the host's SSH host key.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.muster.secrets;
  names = builtins.attrNames cfg;
  # NAME OWNER GROUP MODE PATH RESTART RELOAD, a line each; - for none.
  line =
    name:
    let
      s = cfg.${name};
      list = units: if units == [ ] then "-" else lib.concatStringsSep "," units;
      path = if s.path == null then "-" else s.path;
    in
    "${name} ${s.owner} ${s.group} ${s.mode} ${path} ${list s.restart} ${list s.reload}\n";
  table = pkgs.writeText "muster-secrets-table" (lib.concatStrings (map line names));
  install = pkgs.writeShellScript "muster-secrets" ''
    export PATH=${
      lib.makeBinPath [
        pkgs.age
        pkgs.coreutils
        pkgs.diffutils
        pkgs.util-linux
      ]
    }:$PATH
    table=${table}
    identities=${lib.escapeShellArg (toString config.muster.secretIdentities)}
    ${installScript}
  '';
  option =
    type: default: description:
    lib.mkOption { inherit type default description; };
  units = option (lib.types.listOf lib.types.str) [ ];
in
{
  options.muster = {
    secrets = lib.mkOption {
      default = { };
      description = "Secrets of the host, by name.";
      type = lib.types.attrsOf (
        lib.types.submodule {
          options = {
            owner = option lib.types.str "root" "The owner of the file.";
            group = option lib.types.str "root" "Its group.";
            mode = option lib.types.str "0400" "Its permissions.";
            path = option (lib.types.nullOr lib.types.str) null "Where a link to it is.";
            restart = units "Units to restart when it has changed.";
            reload = units "Units to reload when it has changed.";
          };
        }
      );
    };
    secretIdentities = option (lib.types.listOf lib.types.str) (
      map (key: key.path) (config.services.openssh.hostKeys or [ ])
      ++ [
        "/etc/ssh/ssh_host_ed25519_key"
        "/etc/ssh/ssh_host_rsa_key"
      ]
    ) "The private SSH keys that secrets are decrypted with, each with its public key beside it.";
  };

  config = {
    environment.etc."muster/secrets".source = install;
    # So that muster encrypts to the right keys.
    environment.etc."muster/identities".text = lib.concatMapStrings (key: key + "\n") config.muster.secretIdentities;
    # Before units start: at boot, and in every activation.
    system.activationScripts.musterSecrets = {
      deps = [
        "etc"
        "groups"
        "users"
      ];
      text = ''
        ${install} install "$systemConfig"
      '';
    };
    # A unit a secret, for others to be ordered after. Its text stays the same, so
    # that nothing is restarted for it. It can come before every other, such as one that
    # sysinit.target waits for.
    systemd.services = builtins.listToAttrs (
      map (name: {
        name = "muster-secret-${name}";
        value = {
          description = "Secret ${name}";
          wantedBy = [ "multi-user.target" ];
          before = cfg.${name}.restart ++ cfg.${name}.reload;
          unitConfig.DefaultDependencies = false;
          serviceConfig = {
            Type = "oneshot";
            RemainAfterExit = true;
            ExecStart = "/etc/muster/secrets have ${name}";
          };
        };
      }) names
    );
  };
}
