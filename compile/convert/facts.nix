# What a fleet says of its deployment, as data: settings with their values, whether
# somebody set them, and where.
{
  kind,
  # The systems, by name.
  nodes ? { },
  # What the fleet says of itself.
  about ? { },
  # The source as it is written, whose attributes are the hosts.
  source ? { },
  # The flake, where it is one.
  flake ? null,
  # The names of the hosts to tell of; null for all.
  only ? null,
  # Names from the flake's outputs to a system; null where no flake has them.
  attr ? (_: null),
}:
let
  inherit (builtins)
    any
    attrNames
    concatLists
    elem
    filter
    getContext
    hasAttr
    head
    isAttrs
    isFunction
    isList
    isPath
    isString
    removeAttrs
    tryEval
    deepSeq
    toJSON
    ;

  # Modules may refer to other machines: to their systems, or to the configuration of one.
  isMachine = set: set ? config && set ? options || set ? assertions && set ? networking && set ? system;

  # A value without what is no data, and without what is very deep.
  plain = below 8;
  below =
    depth: value:
    if isFunction value || depth == 0 then
      null
    else if isPath value then
      toString value
    else if isString value then
      builtins.unsafeDiscardStringContext value
    else if isList value then
      map (below (depth - 1)) value
    else if isAttrs value && (value.type or "" == "derivation" || value ? outPath) then
      builtins.unsafeDiscardStringContext (toString value)
    else if isAttrs value && isMachine value then
      null
    else if isAttrs value then
      builtins.mapAttrs (_: below (depth - 1)) (removeAttrs value [ "_module" ])
    else
      value;
  tried =
    value:
    let
      data = plain value;
      result = tryEval (deepSeq data data);
    in
    if result.success then result.value else null;

  place =
    set: name:
    let
      pos = builtins.unsafeGetAttrPos name set;
    in
    if pos == null then "" else "${toString pos.file}:${toString pos.line}:${toString pos.column}";

  # Whether a value, or a part of it, fails to evaluate.
  fails =
    value:
    let
      data = plain value;
    in
    !(tryEval (deepSeq data data)).success;

  # The options below a name, each with its value.
  tools = [
    "colmena"
    "morph"
    "NixOps"
    "muster"
  ];
  walk =
    path: options: config:
    concatLists (
      map (
        name:
        let
          option = options.${name};
          here = path ++ [ name ];
          # Which files define an option is known by its definitions.
          defined = tried (map toString (option.files or [ ]));
          files = if defined == null then [ ] else defined;
          own = map toString (option.declarations or [ ]) ++ tools;
          failed = option.type.name or "" != "package" && fails config.${name};
        in
        if !(isAttrs option) || name == "_module" then
          [ ]
        else if option._type or "" == "option" then
          [
            {
              name = builtins.concatStringsSep "." here;
              set = failed || any (file: !elem file own) files;
              value = if option.type.name or "" == "package" then null else tried config.${name};
              inherit failed;
              files = filter (file: !elem file own) files;
            }
          ]
        else
          walk here option config.${name}
      ) (attrNames options)
    );
  # What is no data, and not looked into.
  opaque = [
    "nixpkgs"
    "nodeNixpkgs"
    "specialArgs"
    "nodeSpecialArgs"
    "pkgs"
    "lib"
    "evalConfig"
    "runCommand"
    "buildShell"
  ];
  # The attributes of a set, as settings.
  given =
    prefix: set:
    map (name: {
      name = "${prefix}${name}";
      set = true;
      value = if elem name opaque then null else tried set.${name};
      failed = !(elem name opaque) && fails set.${name};
      at = place set name;
    }) (attrNames set);

  interfaces =
    config:
    let
      ofInterface = interface: map (a: a.address) (interface.ipv4.addresses or [ ] ++ interface.ipv6.addresses or [ ]);
      ofNetwork = network: list (network.address or [ ]) ++ list (network.networkConfig.Address or [ ]);
      list = value: if isList value then value else [ value ];
      each =
        f: set:
        concatLists (
          map (name: list (tried (f set.${name}))) (if tried (attrNames set) == null then [ ] else attrNames set)
        );
    in
    filter isString (
      each ofInterface (config.networking.interfaces or { }) ++ each ofNetwork (config.systemd.network.networks or { })
    );

  optionsOf =
    node:
    let
      part =
        name: options: config:
        if !(options ? ${name}) then
          [ ]
        else if options.${name}._type or "" == "option" then
          # It is one option, whose value is a set.
          given "${name}." (let set = tried config.${name}; in if isAttrs set then set else { })
        else
          walk [ name ] options.${name} config.${name};
      clan =
        name:
        if node.options ? clan.core.${name} then
          walk [
            "clan"
            "core"
            name
          ] node.options.clan.core.${name} node.config.clan.core.${name}
        else
          [ ];
    in
    part "deployment" node.options node.config
    ++ part "lollypops" node.options node.config
    ++ clan "networking"
    ++ clan "deployment"
    ++ clan "vars"
    ++ map (
      name: {
        name = "networking.${name}";
        set = true;
        value = tried node.config.networking.${name};
        files = [ ];
      }
    ) (filter (name: node.options.networking ? ${name}) [ "privateIPv4" "publicIPv4" ])
    ++ given "nixinate." (node._module.args.nixinate or node.config._module.args.nixinate or { });

  # These deployers say where every host is. What hosts configure for their networks is
  # not evaluated.
  placed = elem kind [
    "colmena"
    "morph"
    "deploy-rs"
  ];
  host = name: more: node: if !(isAttrs node && node ? config && node ? options) then throw "it is no NixOS system" else {
    inherit name;
    attr = attr name;
    hostName = if placed then null else tried (node.config.networking.hostName or null);
    fqdn =
      if placed || (tried (node.config.networking.domain or null)) == null then
        null
      else
        tried (node.config.networking.fqdn or "${node.config.networking.hostName}.${node.config.networking.domain}");
    addresses = if placed then [ ] else interfaces node.config;
    settings = optionsOf node ++ ofHive name node ++ more;
  };
  # Where the hosts of a hive have no options of colmena, it says itself what colmena reads.
  ofHive =
    name: node:
    if kind == "colmena" && flake ? colmenaHive && !(node.options ? deployment) then
      given "deployment." (flake.colmenaHive.deploymentConfig.${name} or { })
    else
      [ ];

  # deploy-rs: a profile's settings go before those of its node, and theirs before those
  # of all.
  deploy = flake.deploy;
  generic = [
    "sshUser"
    "user"
    "fastConnection"
    "autoRollback"
    "confirmTimeout"
    "activationTimeout"
    "tempPath"
    "magicRollback"
    "sudo"
    "remoteBuild"
    "interactiveSudo"
  ];
  configurations = flake.nixosConfigurations or { };
  # The names of configurations, with one before the others.
  preferring = name: filter (n: n == name) (attrNames configurations) ++ filter (n: n != name) (attrNames configurations);
  contextOf = profile: if isAttrs profile.path then getContext (toJSON (map (name: tryString profile.path.drvAttrs.${name}) (attrNames (profile.path.drvAttrs or { })))) else getContext profile.path;
  tryString = value: if isString value || isList value || isAttrs value then (tryEval (toJSON value)).value else "";
  systemOf =
    nodeName: profile:
    let
      context = contextOf profile;
      # toplevel is part of the environment that activates it, or that itself.
      found = filter (
        name:
        let
          drv = tryEval configurations.${name}.config.system.build.toplevel.drvPath;
        in
        drv.success && context ? ${builtins.unsafeDiscardStringContext drv.value}
      ) (preferring nodeName);
    in
    if found == [ ] then null else head found;
  holdsNixOS = name: profile: name == "system" && !(elem (profile.path.system or "") [ "x86_64-darwin" "aarch64-darwin" ]);
  # A profile beside the system, and what else is said of it alone.
  profileOf =
    node: profile:
    let
      said = name: tried (profile.${name} or node.${name} or deploy.${name} or null);
    in
    {
      user = said "user";
      sshUser = said "sshUser";
      path = tried (profile.profilePath or null);
      others = attrNames (
        removeAttrs profile [
          "path"
          "user"
          "sshUser"
          "profilePath"
        ]
      );
    };
  deployNode =
    nodeName:
    let
      node = deploy.nodes.${nodeName};
      profiles = node.profiles or { };
      names = attrNames profiles;
      # The profile with the system: the first that has one, system before others.
      firstOf =
        list:
        let
          found = systemOf nodeName profiles.${head list};
        in
        if list == [ ] then
          null
        else if found != null then
          {
            name = head list;
            system = found;
          }
        else
          firstOf (builtins.tail list);
      main = firstOf (filter (n: n == "system") names ++ filter (n: n != "system") names);
      profile =
        if main != null then
          profiles.${main.name}
        else if names != [ ] then
          profiles.${head names}
        else
          { };
      layers = [
        profile
        node
        deploy
      ];
      pick =
        name:
        let
          having = filter (hasAttr name) layers;
        in
        if having == [ ] then
          [ ]
        else
          [
            {
              inherit name;
              set = true;
              value = tried (head having).${name};
              failed = fails (head having).${name};
              at = place (head having) name;
            }
          ];
      sshOpts = filter (hasAttr "sshOpts") layers;
      settings =
        concatLists (map pick generic)
        ++ given "" (removeAttrs node (generic ++ [ "sshOpts" "profiles" ]))
        ++ (if main == null then [ ] else given "" (removeAttrs profile (generic ++ [ "sshOpts" "path" ])))
        ++ (
          if sshOpts == [ ] then
            [ ]
          else
            [
              {
                name = "sshOpts";
                set = true;
                value = tried (concatLists (map (layer: layer.sshOpts) sshOpts));
                at = place (head sshOpts) "sshOpts";
              }
            ]
        )
        ++ map (name: {
          name = "profiles";
          set = true;
          value = profileOf node profiles.${name} // {
            inherit name;
          };
          at = place profiles name;
        }) (filter (name: main == null || name != main.name) names);
    in
    if main == null then
      {
        name = nodeName;
        attr = null;
        # A system that is no output is left out: nothing guards it as a profile.
        empty = names == [ ];
        left = names == [ ] || any (name: holdsNixOS name profiles.${name}) names;
        bare = true;
        system = tried (profile.path.system or null);
        inherit settings;
        addresses = [ ];
        at = place deploy.nodes nodeName;
      }
    else
      host nodeName settings configurations.${main.system}
      // {
        attr = [
          "nixosConfigurations"
          main.system
        ];
        at = place deploy.nodes nodeName;
      };

  # clan says of machines in its inventory what is no option of theirs.
  inventory =
    flake.clan.inventory or flake.clanInternals.inventoryClass.inventory
      or flake.clanInternals.inventory or { };
  machines = inventory.machines or { };
  # A tag has its machines, too. clan itself makes some tags, which say nothing new.
  tagged =
    name:
    let
      tags = inventory.tags or { };
      has = tag: isList tags.${tag} && elem name tags.${tag};
    in
    if !(isAttrs tags) then
      [ ]
    else
      filter has (attrNames (removeAttrs tags [ "all" "nixos" "darwin" ]));
  machine =
    name:
    given "clan." (removeAttrs (machines.${name} or { }) [ "name" ])
    ++ (
      if tagged name == [ ] then
        [ ]
      else
        [
          {
            name = "clan.tags";
            set = true;
            value = tried (tagged name);
            at = place inventory "tags";
          }
        ]
    );

  hosts =
    if kind == "deploy-rs" then
      map deployNode (filter chosen (attrNames deploy.nodes))
    else
      map (
        name:
        host name (if kind == "clan" then machine name else [ ]) nodes.${name}
        // {
          at = place source name;
        }
      ) (filter chosen (attrNames nodes));
  chosen = name: only == null || elem name only;
  taken = map (host: host.attr) hosts;
in
toJSON {
  about =
    given "" about
    ++ (
      if source ? resources then
        [
          {
            name = "resources";
            set = true;
            value = attrNames source.resources;
            at = place source "resources";
          }
        ]
      else
        [ ]
    );
  inherit hosts;
  # Where the tree of the flake is in the store.
  root = if flake == null then "" else toString flake.outPath;
  # Systems of the flake that are no host.
  others =
    if flake == null || (kind != "deploy-rs" && kind != "colmena" && kind != "nixops") then
      [ ]
    else
      filter (
        name:
        !elem [
          "nixosConfigurations"
          name
        ] taken
        && !hasAttr name nodes
      ) (attrNames (flake.nixosConfigurations or { }));
  # Other outputs of the flake that are deployed by somebody.
  beside =
    let
      output = name: set: {
        inherit name;
        at = place flake name;
        has = if isAttrs set then attrNames set else [ ];
      };
      named = name: if flake ? ${name} then [ (output name flake.${name}) ] else [ ];
      of = tool: name: set: if kind != tool && set != { } then [ (output name set // { deployer = tool; }) ] else [ ];
    in
    if flake == null then
      [ ]
    else
      of "colmena" "colmena" (removeAttrs (flake.colmena or { }) [ "meta" "defaults" "network" ])
      ++ of "deploy-rs" "deploy" (flake.deploy.nodes or { })
      ++ of "nixops" "nixopsConfigurations" (flake.nixopsConfigurations or { })
      ++ (
        if kind == "clan" then
          of "" "clan.inventory.machines" (removeAttrs machines (attrNames (flake.nixosConfigurations or { })))
        else
          [ ]
      )
      ++ concatLists (
        map named [
          "homeConfigurations"
          "darwinConfigurations"
          "nixOnDroidConfigurations"
          "systemConfigs"
        ]
      );
}
