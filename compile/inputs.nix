# The inputs of a fleet, by name: what a lock file and the inventory pin, fetched,
# and the flakes among them evaluated as Nix evaluates flakes. self is the fleet's
# directory and lock the path of a lock file, or null. Of a pin, follows says which
# inputs of the fleet stand for inputs of that flake. It takes no experimental
# feature of Nix.
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

  # The UTC time of a number of seconds since 1970, such as 20260131142233. Years
  # begin in March here, so that the day that leap years have is their last.
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

  # A tree or file as a lock of flakes describes it.
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
        # The hash is that of the file in an archive, which fetchurl does not take.
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
    # A directory of the fleet is read where it is.
    if locked.type == "path" && !(locked ? narHash) then
      locked.path
    # Where flakes are enabled, the builtin for inputs knows access tokens.
    else if builtins ? getFlake && locked.type != "tarball" && locked.type != "path" then
      (builtins.fetchTree (removeAttrs locked [ "dir" ])).outPath
    else
      kinds.${locked.type} or (throw "input ${name}: inputs of type ${locked.type} cannot be fetched");

  # What flakes see of a tree.
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

  # The inputs of the root of a lock. root is what the root is to its inputs;
  # given stands for inputs of the root that others are.
  inputsOf =
    lock: root: given:
    let
      find = spec: if isList spec then foldl' (f: name: f.inputs.${name}) top spec else nodes.${spec};
      top = root // {
        inputs = inputs;
      };
      inputs = mapAttrs (_: find) (removeAttrs (lock.nodes.${lock.root}.inputs or { }) (attrNames given)) // given;
      nodes = mapAttrs (
        name: node:
        let
          locked = node.locked or (throw "input ${name} is not locked");
          relative = locked.type or "" == "path" && substring 0 1 locked.path != "/";
          parent = find (node.parent or [ ]);
          sourceInfo = if relative then parent.sourceInfo else infoOf locked (fetch name locked);
          outPath = if relative then below parent.outPath locked.path else below sourceInfo.outPath (locked.dir or "");
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

  # A flake whose inputs are those of its own lock, unless they follow others.
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

  # What npins, lon and niv pin are trees and files, with the names in the store that
  # these programs give them.
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
    # The image of a container is no input: nixpkgs pulls it.
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
            ref =
              pin.ref
                or (if pin ? branch then "refs/heads/${pin.branch}" else "refs/tags/${pin.tag}");
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
      dir = pin.locked.dir or pin.dir or "";
      tree = sourceInfo // {
        inherit sourceInfo;
        outPath = below sourceInfo.outPath dir;
      };
    in
    if pin.flake then ownFlake sourceInfo dir (pin.follows or { }) else tree;

  # Inputs of others may follow these.
  pinnedHere = mapAttrs pinned (
    removeAttrs pins (builtins.filter (name: !(pins.${name} ? locked)) (attrNames pins))
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
inputs
