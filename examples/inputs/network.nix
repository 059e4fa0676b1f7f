# Written by muster compile from hosts.cue; edit that instead.
let
  inputs = musterInputs {
    self = ./.;
    lock = null;
    pins = {
      palette = {
        locked = {
          type = "path";
          path = ./palette;
        };
        flake = true;
      };
      site = {
        locked = {
          type = "path";
          path = ./site;
        };
        follows = {
          palette = [ "palette" ];
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
in
{
  network = {
    description = "Fleet of flakes";
    enableRollback = true;
    nixpkgs = ../minios;
    specialArgs = {
      inherit inputs;
      greeting = "hello from Fleet of flakes";
    };
    nodeSpecialArgs = {
      blue =
        let
          name = "blue";
        in
        {
          greeting = "hello from ${name}";
        };
    };
  };

  # hosts.cue:14
  defaults = {
    imports = [
      inputs.site.nixosModules.default
      ./greeting.nix
      { nixpkgs.overlays = [ inputs.site.overlays.default ]; }
    ];

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

  # hosts.cue:29
  red = {
    deployment = {
      targetHost = "192.0.2.10";
      targetEnv = "none";
    };
    networking.hostName = "red";
    site.colour = "red";
  };

  # hosts.cue:30
  blue = {
    deployment = {
      targetHost = "192.0.2.11";
      targetEnv = "none";
    };
    networking.hostName = "blue";
    site.colour = inputs.palette.colours.blue;
  };
}
