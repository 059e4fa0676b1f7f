# Users and groups: where there is no systemd, /etc/passwd and /etc/group are not
# touched (the machines this runs on have their own); what would go there is
# /etc/minios/users.json. With systemd they are made, for services run as them.
# Authorized keys are real: /etc/ssh/authorized_keys.d/NAME, as on NixOS.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.users;
  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };

  user =
    { name, config, ... }:
    {
      options = {
        name = mkOption {
          type = types.passwdEntry types.str;
          default = name;
          description = "The user's name.";
        };
        enable = flag true "Whether the account exists.";
        description = mkOption {
          type = types.passwdEntry types.str;
          default = "";
          description = "Who it is.";
        };
        uid = maybe types.int "The user's number.";
        isNormalUser = flag false "Whether it is somebody's account.";
        isSystemUser = flag false "Whether it is a service's account.";
        group = mkOption {
          type = types.str;
          default = "";
          description = "The primary group.";
        };
        extraGroups = mkOption {
          type = types.listOf types.str;
          default = [ ];
          description = "More groups.";
        };
        home = mkOption {
          type = types.passwdEntry types.path;
          default = "/var/empty";
          description = "The home directory.";
        };
        createHome = flag false "Whether the home directory is made.";
        shell = mkOption {
          type = types.nullOr (types.either types.shellPackage (types.passwdEntry types.path));
          default = pkgs.bash;
          description = "The login shell.";
        };
        packages = mkOption {
          type = types.listOf types.package;
          default = [ ];
          description = "Packages of this user only.";
        };
        password = maybe types.str "The password, readable to all in the store.";
        initialPassword = maybe types.str "The first password, readable to all in the store.";
        hashedPassword = maybe (types.passwdEntry types.str) "The password's hash.";
        initialHashedPassword = maybe (types.passwdEntry types.str) "The first password's hash.";
        hashedPasswordFile = maybe types.str "File with the password's hash.";
        linger = flag false "Whether the user's services run without a login.";
        openssh.authorizedKeys = {
          keys = mkOption {
            type = types.listOf types.singleLineStr;
            default = [ ];
            description = "Public keys that may log in.";
          };
          keyFiles = mkOption {
            type = types.listOf types.path;
            default = [ ];
            description = "Files of public keys that may log in.";
          };
        };
      };
      config = lib.mkIf config.isNormalUser {
        group = lib.mkDefault "users";
        createHome = lib.mkDefault true;
        home = lib.mkDefault "/home/${config.name}";
      };
    };
  group =
    { name, ... }:
    {
      options = {
        name = mkOption {
          type = types.passwdEntry types.str;
          default = name;
          description = "The group's name.";
        };
        gid = maybe types.int "The group's number.";
        members = mkOption {
          type = types.listOf (types.passwdEntry types.str);
          default = [ ];
          description = "Members.";
        };
      };
    };
  users = lib.filterAttrs (_: u: u.enable) cfg.users;
  arg = lib.escapeShellArg;
  number = option: id: lib.optionalString (id != null) "${option} ${toString id} ";
  # Makes what is missing; a number that is taken is left to its owner.
  accounts = ''
    if [ -n "$systemd" ]; then
      missing() { ! grep -q "^$2:" "/etc/$1"; }
      ${lib.concatStrings (
        lib.mapAttrsToList (
          _: g:
          "missing group ${arg g.name} && { groupadd ${number "-g" g.gid}${arg g.name} 2> /dev/null || groupadd ${arg g.name}; }\n"
        ) cfg.groups
      )}
      ${lib.concatStrings (
        lib.mapAttrsToList (
          _: u:
          "missing passwd ${arg u.name} && useradd -M -N ${number "-u" u.uid}-g ${arg u.group} -d ${arg u.home} -c ${arg u.description} ${
            lib.optionalString (u.shell != null) "-s ${arg (u.shell.shellPath or (toString u.shell))} "
          }${arg u.name}\n"
          + lib.concatMapStrings (g: "missing group ${arg g} || usermod -aG ${arg g} ${arg u.name}\n") u.extraGroups
          + lib.optionalString u.createHome "chown ${arg u.name} ${arg u.home}\n"
          + lib.optionalString u.linger ''
            mkdir -p /var/lib/systemd/linger
            [ -e /var/lib/systemd/linger/${u.name} ] || {
              touch /var/lib/systemd/linger/${u.name}
              [ ! -d /run/systemd/system ] || loginctl enable-linger ${arg u.name} || true
            }
          ''
        ) users
      )}
      true
    fi
  '';
  keysOf = u: u.openssh.authorizedKeys.keys ++ map lib.fileContents u.openssh.authorizedKeys.keyFiles;
in
{
  imports = [
    (lib.mkAliasOptionModule [ "users" "extraUsers" ] [ "users" "users" ])
    (lib.mkAliasOptionModule [ "users" "extraGroups" ] [ "users" "groups" ])
  ];

  options.users = {
    mutableUsers = flag true "Whether users can be changed on the machine.";
    defaultUserShell = mkOption {
      type = types.either types.path types.package;
      default = pkgs.bash;
      description = "The default login shell.";
    };
    motd = mkOption {
      type = types.nullOr types.lines;
      default = null;
      description = "Message of the day.";
    };
    users = mkOption {
      type = types.attrsOf (types.submodule user);
      default = { };
      description = "Users.";
    };
    groups = mkOption {
      type = types.attrsOf (types.submodule group);
      default = { };
      description = "Groups.";
    };
  };

  config = {
    users.users.root = {
      uid = 0;
      description = "System administrator";
      home = "/root";
      group = "root";
      isSystemUser = true;
    };
    users.groups = {
      root.gid = 0;
      wheel.gid = 1;
      users.gid = 100;
    };
    assertions = lib.concatLists (
      lib.mapAttrsToList (name: u: [
        {
          assertion = u.isNormalUser != u.isSystemUser;
          message = "Exactly one of users.users.${name}.isSystemUser and users.users.${name}.isNormalUser must be set.";
        }
        {
          assertion = u.group != "";
          message = "users.users.${name}.group is unset.";
        }
      ]) users
    );
    environment.etc =
      lib.mapAttrs' (
        name: u:
        lib.nameValuePair "ssh/authorized_keys.d/${u.name}" {
          mode = "0444";
          text = lib.concatLines (keysOf u);
        }
      ) (lib.filterAttrs (_: u: keysOf u != [ ]) users)
      // lib.optionalAttrs (cfg.motd != null) { motd.text = cfg.motd; }
      // {
        "minios/users.json".text = builtins.toJSON {
          inherit (cfg) mutableUsers;
          users = lib.mapAttrsToList (_: u: {
            inherit (u)
              name
              uid
              description
              group
              extraGroups
              home
              ;
            shell = if u.shell == null then null else u.shell.shellPath or (toString u.shell);
          }) users;
          groups = lib.mapAttrsToList (_: g: { inherit (g) name gid members; }) cfg.groups;
        };
      };
    system.activationScripts.users = {
      deps = [ "etc" ];
      text = lib.concatStrings (
        lib.mapAttrsToList (
          _: u: lib.optionalString u.createHome "mkdir -p ${lib.escapeShellArg u.home}\n"
        ) users
      )
      + accounts;
    };
    # Nothing to do here, but others wait for it by this name.
    system.activationScripts.groups = lib.stringAfter [ "users" ] "";
  };
}
