# Written by muster compile from hosts.cue; edit that instead.
let
  inputs = musterInputs {
    self = ./.;
    lock = null;
    pins = {
      sops-nix = {
        locked = {
          type = "path";
          path = ./sops-nix;
        };
        flake = true;
      };
      agenix = {
        locked = {
          type = "path";
          path = ./agenix;
        };
        flake = true;
      };
    };
  };

  # what lock files and pins name, fetched, and flakes evaluated
  musterInputs =
    {
      self,
      lock,
      pins,
    }:
    let
      inherit (builtins)
        attrNames
        foldl'
        fromJSON
        isList
        mapAttrs
        pathExists
        readFile
        removeAttrs
        substring
        ;
      date =
        seconds:
        let
          rest = a: b: a - a / b * b;
          digits = n: if n < 10 then "0${toString n}" else toString n;
          days = seconds / 86400 + 719468;
          era = days / 146097;
          day = rest days 146097;
          year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
          ofYear = day - (365 * year + year / 4 - year / 100);
          march = (5 * ofYear + 2) / 153;
          month = if march < 10 then march + 3 else march - 9;
        in
        toString (year + era * 400 + (if month <= 2 then 1 else 0))
        + digits month
        + digits (ofYear - (153 * march + 2) / 5 + 1)
        + digits (rest seconds 86400 / 3600)
        + digits (rest seconds 3600 / 60)
        + digits (rest seconds 60);
      fetch =
        name: locked:
        let
          hash = if locked ? narHash then { sha256 = locked.narHash; } else { };
          archive = url: fetchTarball ({ inherit url; } // hash);
          kinds = {
            github =
              if locked.host or "github.com" == "github.com" then
                archive "https://github.com/${locked.owner}/${locked.repo}/archive/${locked.rev}.tar.gz"
              else
                archive "https://${locked.host}/api/v3/repos/${locked.owner}/${locked.repo}/tarball/${locked.rev}";
            gitlab = archive "https://${locked.host or "gitlab.com"}/api/v4/projects/${locked.owner}%2F${locked.repo}/repository/archive.tar.gz?sha=${locked.rev}";
            sourcehut = archive "https://${locked.host or "git.sr.ht"}/${locked.owner}/${locked.repo}/archive/${locked.rev}.tar.gz";
            tarball = archive locked.url;
            git =
              (fetchGit (
                {
                  inherit (locked) url rev;
                }
                // (if locked ? ref then { inherit (locked) ref; } else { allRefs = true; })
                // (if locked.submodules or false then { submodules = true; } else { })
                // (if locked.shallow or false then { shallow = true; } else { })
              )).outPath;
            hg = (fetchMercurial { inherit (locked) url rev; }).outPath;
            path = builtins.path (
              {
                name = "source";
                path = /. + locked.path;
              }
              // hash
            );
            file =
              (derivation {
                name = "source";
                system = "builtin";
                builder = "builtin:fetchurl";
                inherit (locked) url;
                outputHash = locked.narHash;
                outputHashMode = "recursive";
              }).outPath;
          };
        in
        if locked.type == "path" && !locked ? narHash then
          locked.path
        else if builtins ? getFlake && locked.type != "tarball" && locked.type != "path" then
          (builtins.fetchTree (removeAttrs locked [ "dir" ])).outPath
        else
          kinds.${locked.type} or (throw "input ${name}: inputs of type ${locked.type} cannot be fetched");
      infoOf =
        locked: outPath:
        {
          inherit outPath;
        }
        // (if locked ? narHash then { inherit (locked) narHash; } else { })
        // (if locked ? revCount then { inherit (locked) revCount; } else { })
        // (if locked.type or "" == "git" then { submodules = locked.submodules or false; } else { })
        // (
          if locked ? rev then
            {
              inherit (locked) rev;
              shortRev = substring 0 7 locked.rev;
            }
          else
            { }
        )
        // (
          if locked ? lastModified then
            {
              inherit (locked) lastModified;
              lastModifiedDate = date locked.lastModified;
            }
          else
            { }
        );
      below = path: sub: if sub == "" then path else path + "/${sub}";
      flake =
        sourceInfo: outPath: inputs:
        let
          outputs = (import (outPath + "/flake.nix")).outputs (inputs // { self = result; });
          result =
            outputs
            // sourceInfo
            // {
              inherit
                inputs
                outputs
                outPath
                sourceInfo
                ;
              _type = "flake";
            };
        in
        result;
      inputsOf =
        lock: root: given:
        let
          find = spec: if isList spec then foldl' (f: name: f.inputs.${name}) top spec else nodes.${spec};
          top = root // {
            inputs = inputs;
          };
          inputs =
            mapAttrs (_: find) (removeAttrs (lock.nodes.${lock.root}.inputs or { }) (attrNames given)) // given;
          nodes = mapAttrs (
            name: node:
            let
              locked = node.locked or (throw "input ${name} is not locked");
              relative = locked.type or "" == "path" && substring 0 1 locked.path != "/";
              parent = find (node.parent or [ ]);
              sourceInfo = if relative then parent.sourceInfo else infoOf locked (fetch name locked);
              outPath =
                if relative then below parent.outPath locked.path else below sourceInfo.outPath (locked.dir or "");
            in
            if name == lock.root then
              top
            else if node.flake or true then
              flake sourceInfo outPath (mapAttrs (_: find) (node.inputs or { }))
            else
              sourceInfo // { inherit outPath sourceInfo; }
          ) lock.nodes;
        in
        inputs;
      ownFlake =
        sourceInfo: dir: follows:
        let
          outPath = below sourceInfo.outPath dir;
          file = outPath + "/flake.lock";
          locked =
            if pathExists file then
              fromJSON (readFile file)
            else
              {
                root = "root";
                nodes.root = { };
              };
          result = flake sourceInfo outPath (
            inputsOf locked result (mapAttrs (_: path: foldl' (f: name: f.inputs.${name}) fleet path) follows)
          );
        in
        result;
      npins =
        name: pin:
        let
          given = pin.locked_url or null;
          url = if given == null then pin.url or null else given;
          repository = pin.repository;
          server = builtins.head (builtins.match "(.*[^/])/*" repository.server);
          address =
            {
              Git = repository.url;
              GitHub = "https://github.com/${repository.owner}/${repository.repo}.git";
              GitLab = "${server}/${repository.repo_path}.git";
              Forgejo = "${server}/${repository.owner}/${repository.repo}.git";
            }
            .${repository.type}
              or (throw "input ${name}: npins' repositories of type ${repository.type} cannot be fetched");
          base = builtins.match ".*/([^/]*)" address;
          git =
            (fetchGit {
              url = address;
              name = "${if base == null then "source" else builtins.head base}-${substring 0 7 pin.revision}";
              rev = pin.revision;
              submodules = pin.submodules or false;
              allRefs = true;
            }).outPath;
          file = builtins.fetchurl {
            inherit url;
            sha256 = pin.hash;
          };
          tree = fetchTarball {
            inherit url;
            sha256 = pin.hash;
          };
          repo = if url == null || pin.submodules or false then git else tree;
          link = if pin.unpack then tree else file;
          kinds = {
            Git = repo;
            GitRelease = repo;
            Channel = tree;
            Tarball = tree;
            Url = link;
            MutableUrl = link;
            PyPi = file;
          };
        in
        if pin.type == "Container" then
          pin
        else
          pin
          // {
            outPath =
              kinds.${pin.type} or (throw "input ${name}: npins' pins of type ${pin.type} cannot be fetched");
          };
      lon =
        name: pin:
        let
          git =
            (fetchGit (
              {
                inherit (pin) url;
                rev = pin.revision;
                submodules = pin.submodules or false;
              }
              // (if pin ? branch then { ref = pin.branch; } else { allRefs = true; })
            )).outPath;
          tree = fetchTarball {
            inherit (pin) url;
            sha256 = pin.hash;
          };
          kinds = {
            inherit git;
            tarball = tree;
          };
        in
        pin
        // {
          outPath =
            kinds.${pin.fetchType}
              or (throw "input ${name}: lon's sources of fetchType ${pin.fetchType} cannot be fetched");
        };
      niv =
        name: pin:
        let
          plain = builtins.head (builtins.match "\\.*(.*)" name);
          words = builtins.split "[^[:alnum:]+._?=-]+" plain;
          fixed = {
            name = builtins.concatStringsSep "" (map (w: if isList w then "-" else w) words) + "-src";
            inherit (pin) url sha256;
          };
          tree = fetchTarball fixed;
          file = builtins.fetchurl fixed;
          kinds = {
            tarball = tree;
            builtin-tarball = tree;
            inherit file;
            builtin-url = file;
            git =
              (fetchGit {
                url = pin.repo;
                inherit (pin) rev;
                ref = pin.ref or (if pin ? branch then "refs/heads/${pin.branch}" else "refs/tags/${pin.tag}");
                submodules = pin.submodules or false;
              }).outPath;
            local = if substring 0 1 pin.path == "/" then pin.path else self + "/${pin.path}";
          };
        in
        pin
        // {
          outPath =
            kinds.${pin.type} or (throw "input ${name}: niv's sources of type ${pin.type} cannot be fetched");
        };
      text = fromJSON (readFile lock);
      locked =
        if lock == null then
          { }
        else if text ? nodes && text ? root then
          inputsOf text own pinnedHere
        else if text ? pins then
          mapAttrs npins text.pins
        else if text ? sources && text ? version then
          mapAttrs lon text.sources
        else
          mapAttrs niv text;
      pinned =
        name: pin:
        let
          source = if pin ? locked then infoOf pin.locked (fetch name pin.locked) else locked.${name};
          sourceInfo = source.sourceInfo or source;
          dir = pin.locked.dir or (pin.dir or "");
          tree = sourceInfo // {
            inherit sourceInfo;
            outPath = below sourceInfo.outPath dir;
          };
        in
        if pin.flake then ownFlake sourceInfo dir (pin.follows or { }) else tree;
      pinnedHere = mapAttrs pinned (
        removeAttrs pins (builtins.filter (name: !pins.${name} ? locked) (attrNames pins))
      );
      own = {
        outPath = self;
        sourceInfo.outPath = self;
      };
      fleet = own // {
        inherit inputs;
      };
      inputs = {
        self = fleet;
      }
      // locked
      // mapAttrs pinned pins;
    in
    inputs;

  # how the secrets of the inventory reach memory
  musterSecrets =
    let
      installScript = ''
        umask 077
        ulimit -c 0
        dir=/run/muster-secrets
        memory=/run/muster-secrets.d
        kept=/var/lib/muster/secrets
        volatile=/run/muster-secrets.volatile
        newline='
        '
        say() { echo "muster-secrets: $*" >&2; }
        encrypted() {
          for file in "$kept/of/$system/$1.age" "$volatile/of/$system/$1.age" "$kept/current/$1.age" "$volatile/current/$1.age"; do
            [ ! -e "$file" ] || return 0
          done
          return 1
        }
        safe() {
          parent=''${1%/*}
          while [ -n "$parent" ]; do
            if [ -L "$parent" ]; then
              say "$1: $parent is a link: no link to the secret is made"
              return 1
            fi
            if [ -e "$parent" ]; then
              case $(stat -c %u:%a "$parent") in
              0:*[2367][0-7] | 0:*[2367])
                say "$1: others may write to $parent: no link to the secret is made"
                return 1
                ;;
              0:*) ;;
              *)
                say "$1: $parent does not belong to root: no link to the secret is made"
                return 1
                ;;
              esac
            fi
            parent=''${parent%/*}
          done
        }
        replace() { ln -sfn "$1" "$2.muster-new" && mv -T "$2.muster-new" "$2"; }
        units() {
          [ "$2" != - ] || return 0
          rest=$2,
          while [ -n "$rest" ]; do
            unit=''${rest%%,*} rest=''${rest#*,}
            case " $changed " in *" $1:$unit "*) ;; *) changed="$changed $1:$unit" ;; esac
          done
        }
        alone() {
          exec 9>"$memory.lock"
          flock 9
        }
        there() {
          case $have in *"$newline$name $owner $group ''${mode#0}$newline"*) ;; *) return 1 ;; esac
          ! { [ "$file" -nt "$new/$name" ] || [ "$file" -ot "$new/$name" ]; }
        }
        decrypt() {
          age -d $keys -o "$new/.put/$name" "$file" 2>"$new/.why" && return
          say "$name: cannot be decrypted with this host's SSH host keys: $(head -n 1 "$new/.why")"
          return 1
        }
        put() {
          cd "$new/.put" || return 1
          while [ -s "$new/.todo" ]; do
            read -r _ of mode first _ <"$new/.todo"
            alike='''
            : >"$new/.later"
            while read -r name owner permissions file restart reload; do
              if [ "$owner $permissions" != "$of $mode" ] || [ "$file" -nt "$first" ] || [ "$file" -ot "$first" ]; then
                echo "$name $owner $permissions $file $restart $reload" >>"$new/.later"
                continue
              fi
              alike="$alike $name"
              if [ "$restart$reload" != -- ] && [ -e "$dir/$name" ] && ! cmp -s "$dir/$name" "$name"; then
                units restart "$restart"
                units reload "$reload"
              fi
            done <"$new/.todo"
            if ! { touch -r "$first" -- $alike && { [ "$of" = root:root ] || chown "$of" -- $alike; } && chmod "$mode" -- $alike && mv -f -- $alike ..; } 2>"$new/.why"; then
              for name in $alike; do
                say "$name: $(head -n 1 "$new/.why")"
                rm -f -- "$new/$name"
              done
              status=1
            fi
            mv "$new/.later" "$new/.todo"
          done
          cd / && rm -rf "$new/.put" "$new/.todo" "$new/.later"
        }
        prepare() {
          mkdir -p "$memory" && chmod 0751 "$memory" || return 1
          if ! mountpoint -q "$memory"; then
            mount -t ramfs -o mode=0751,nodev,nosuid,noexec ramfs "$memory" || say "no ramfs: the secrets are in /run, and can be swapped out"
          fi
          keys='''
          for key in $identities; do [ ! -r "$key" ] || keys="$keys -i $key"; done
        }
        rekey() {
          prepare || return 1
          for file in "$kept"/sets/*/*.age "$volatile"/sets/*/*.age; do
            [ -e "$file" ] || continue
            next=''${file%/*}/.rekey
            age -d $keys -o "$memory/.rekey" "$file" 2>/dev/null || continue
            if ! { age -R "$1" -o "$next" "$memory/.rekey" && touch -r "$file" "$next" && sync "$next" && mv -T "$next" "$file"; } 2>"$memory/.why"; then
              say "$file: cannot be encrypted to another key: $(head -n 1 "$memory/.why")"
              rm -f "$memory/.rekey" "$next"
              return 1
            fi
          done
          rm -f "$memory/.rekey" "$memory/.why"
        }
        install() {
          status=0 linked=0 changed='''
          prepare || return 1
          new=$(mktemp -d "$memory/XXXXXXXX") && chmod 0751 "$new" || return 1
          cp -a "$dir/." "$new/" 2>/dev/null
          have=$newline$(cd "$new" && stat -c '%n %U %G %a' -- * 2>/dev/null)$newline
          mkdir "$new/.put" && : >"$new/.todo" || return 1
          while read -r name owner group mode _ restart reload; do
            if ! encrypted "$name"; then
              say "$name: it was not sent to this host: muster deploy sends it"
            elif there; then
              continue
            elif decrypt; then
              echo "$name $owner:$group $mode $file $restart $reload" >>"$new/.todo"
              continue
            fi
            rm -f -- "$new/$name"
            status=1
          done <"$table"
          put || return 1
          named=' '
          : >"$memory/links.new"
          while read -r name _ _ _ path _; do
            [ -e "$new/$name" ] || continue
            named="$named$name "
            [ "$path" = - ] || echo "$name $path" >>"$memory/links.new"
          done <"$table"
          rm -f "$new/.why"
          for file in "$new"/*; do
            case $named in *" ''${file##*/} "*) ;; *) rm -f "$file" ;; esac
          done
          former=$(readlink "$dir")
          replace "$new" "$dir" || return 1
          while read -r name path; do
            if [ -e "$path" ] && [ ! -L "$path" ]; then
              say "$path: a file is there: no link to the secret is made"
              linked=2
            elif safe "$path" && (umask 022 && mkdir -p "''${path%/*}") && replace "$dir/$name" "$path"; then
              :
            else
              linked=2
            fi
          done <"$memory/links.new"
          if [ -e "$memory/links" ]; then
            while read -r name path; do
              while read -r _ other; do [ "$other" != "$path" ] || continue 2; done <"$memory/links.new"
              [ "$(readlink "$path")" != "$dir/$name" ] || ! safe "$path" || rm -f "$path"
            done <"$memory/links"
          fi
          mv -T "$memory/links.new" "$memory/links"
          case $former in "$memory"/*) rm -rf "$former" ;; esac
          for old in "$memory"/????????; do [ ! -d "$old" ] || [ "$old" = "$new" ] || rm -rf "$old"; done
          [ $status = 0 ] || return $status
          return $linked
        }
        case $1 in
        install)
          alone
          system=''${2##*/}
          install
          status=$?
          mkdir -p /run/nixos
          for unit in $changed; do echo "''${unit#*:}" >>"/run/nixos/activation-''${unit%%:*}-list"; done
          exit $status
          ;;
        refresh)
          alone
          system=''${2##*/}
          install
          status=$?
          for unit in $changed; do echo "''${unit%%:*} ''${unit#*:}"; done
          exit $status
          ;;
        rekey)
          alone
          rekey "$2"
          ;;
        have)
          [ -e "$dir/$2" ] && exit
          alone
          [ -e "$dir/$2" ] && exit
          system=$(readlink -f /run/current-system)
          system=''${system##*/}
          install
          [ -e "$dir/$2" ]
          ;;
        esac
      '';
    in
    {
      config,
      lib,
      pkgs,
      ...
    }:
    let
      cfg = config.muster.secrets;
      names = builtins.attrNames cfg;
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
        environment.etc."muster/identities".text = lib.concatMapStrings (
          key: key + "\n"
        ) config.muster.secretIdentities;
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
    };
in
{
  network = {
    description = "NixOS fleet";
    enableRollback = true;
    nixpkgs = ../minios;
    specialArgs = { inherit inputs; };
  };

  # hosts.cue:13
  defaults = {
    services.openssh.enable = true;
    users.users.root.openssh.authorizedKeys.keys = [
      "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator"
    ];
    fileSystems."/" = {
      device = "/dev/disk/by-label/nixos";
      fsType = "ext4";
    };
    system.stateVersion = "24.11";
  };

  # hosts.cue:25
  sops = {
    imports = [
      musterSecrets
      inputs.sops-nix.nixosModules.sops
      ./sops.nix
    ];

    deployment = {
      targetHost = "192.0.2.20";
      targetEnv = "none";
    };
    networking.hostName = "sops";
    muster.secrets.token = {
      group = "wheel";
      mode = "0440";
    };
  };

  # hosts.cue:29
  agenix = {
    imports = [
      musterSecrets
      inputs.agenix.nixosModules.default
      ./agenix.nix
    ];

    deployment = {
      targetHost = "192.0.2.21";
      targetEnv = "none";
    };
    networking.hostName = "agenix";
    muster.secrets.token = {
      group = "wheel";
      mode = "0440";
    };
  };

  # hosts.cue:33
  keys = {
    imports = [
      musterSecrets
      ./app.nix
      ./keys.nix
    ];

    deployment = {
      targetHost = "192.0.2.22";
      targetEnv = "none";
    };
    networking.hostName = "keys";
    muster.secrets = {
      token = {
        group = "wheel";
        mode = "0440";
      };
      db-password = {
        path = "/run/keys/db-password";
        restart = [ "app.service" ];
      };
    };
  };
}
