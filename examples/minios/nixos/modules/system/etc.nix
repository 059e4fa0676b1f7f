# /etc: a tree of links in the store; activation makes /etc/NAME show it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  entries = builtins.filter (e: e.enable) (builtins.attrValues config.environment.etc);
  arg = lib.escapeShellArg;
  # Root by number: there may be no /etc/passwd yet.
  ownerOf =
    e:
    "${if e.user == "root" then toString e.uid else e.user}:${
      if e.group == "root" then toString e.gid else e.group
    }";
in
{
  options.environment.etc = mkOption {
    default = { };
    example = {
      motd.text = "welcome";
    };
    description = "Files below /etc, by their names there.";
    type = types.attrsOf (
      types.submodule (
        {
          name,
          config,
          options,
          ...
        }:
        {
          options = {
            enable = mkOption {
              type = types.bool;
              default = true;
              description = "Whether the file is made.";
            };
            target = mkOption {
              type = types.str;
              default = name;
              description = "Path relative to /etc.";
            };
            text = mkOption {
              type = types.nullOr types.lines;
              default = null;
              description = "Content.";
            };
            source = mkOption {
              type = types.path;
              description = "The file or directory, if not text.";
            };
            mode = mkOption {
              type = types.str;
              default = "symlink";
              example = "0600";
              description = "`symlink', or the mode of a copy.";
            };
            user = mkOption {
              type = types.str;
              default = "root";
              description = "Owner of a copy.";
            };
            group = mkOption {
              type = types.str;
              default = "root";
              description = "Group of a copy.";
            };
            uid = mkOption {
              type = types.int;
              default = 0;
              description = "Owner of a copy, by number.";
            };
            gid = mkOption {
              type = types.int;
              default = 0;
              description = "Group of a copy, by number.";
            };
          };
          config.source = lib.mkIf (config.text != null) (
            lib.mkOverride options.text.highestPrio (
              pkgs.writeText ("etc-" + lib.replaceStrings [ "/" " " ] [ "-" "-" ] name) config.text
            )
          );
        }
      )
    );
  };

  config.system.build.etc = pkgs.mkDerivation {
    name = "etc";
    preferLocalBuild = true;
    buildCommand = ''
      mkdir -p $out/etc
      cd $out/etc
      ${lib.concatMapStrings (e: ''
        mkdir -p ${arg (dirOf "./${e.target}")}
        ln -s ${arg "${e.source}"} ${arg e.target}
        ${lib.optionalString (e.mode != "symlink") ''
          echo ${arg "${e.mode} ${ownerOf e}"} > ${arg "${e.target}.mode"}
        ''}
      '') entries}
    '';
  };

  config.system.activationScripts.etc = {
    deps = [ "var" ];
    text = ''
      # /etc/static is the tree of this system; /etc/NAME leads through it.
      new=$systemConfig/etc
      mkdir -p /etc
      touch /etc/NIXOS
      ln -sfn "$(readlink -f "$new")" /etc/.static.$$ && mv -T /etc/.static.$$ /etc/static
      managed=/etc/.minios-managed
      list() {
        for f in "$1"/*; do
          [ -e "$f" ] || [ -L "$f" ] || continue
          if [ -d "$f" ] && [ ! -L "$f" ]; then list "$f"; else echo "''${f#/etc/static/}"; fi
        done
      }
      list /etc/static > $managed.new
      if [ -e $managed ]; then
        while read -r name; do
          grep -qxF -- "$name" $managed.new || rm -f "/etc/$name"
        done < $managed
      fi
      while read -r name; do
        case $name in *.mode) continue ;; esac
        mkdir -p "$(dirname "/etc/$name")"
        if [ -e "/etc/static/$name.mode" ]; then
          read -r mode owner < "/etc/static/$name.mode"
          cp "/etc/static/$name" "/etc/$name.tmp"
          chown "$owner" "/etc/$name.tmp" || echo "warning: /etc/$name: no such owner: $owner" >&2
          chmod "$mode" "/etc/$name.tmp"
          mv -f "/etc/$name.tmp" "/etc/$name"
        elif [ "$(readlink "/etc/$name" || true)" != "/etc/static/$name" ]; then
          if [ -d "/etc/$name" ] && [ ! -L "/etc/$name" ]; then
            echo "warning: not replacing the directory /etc/$name" >&2
          else
            ln -sfn "/etc/static/$name" "/etc/$name.tmp" && mv -fT "/etc/$name.tmp" "/etc/$name"
          fi
        fi
      done < $managed.new
      mv $managed.new $managed
    '';
  };
}
