# For which deployer a source is: its kind, and the output of a flake with the fleet.
{
  flake ? null,
  files ? [ ],
  several ? false,
}:
let
  has = set: builtins.any (name: builtins.hasAttr name set);
  found = kind: output: { inherit kind output; };
  value = builtins.head files;
  network = value.network or { };
  hosts = builtins.attrValues (
    builtins.removeAttrs value [
      "network"
      "defaults"
      "resources"
      "require"
    ]
  );
  # What hosts that are sets say; functions are not called.
  says = name: builtins.any (host: builtins.isAttrs host && (host.deployment or { }) ? ${name}) hosts;
  ofFile =
    if several || builtins.isFunction value then
      found (if several then "nixops" else "function") ""
    else if value ? meta then
      found "colmena" ""
    else if
      has network [
        "pkgs"
        "lib"
        "evalConfig"
        "specialArgs"
        "ordering"
        "nixConfig"
        "buildShell"
        "runCommand"
      ]
      || says "buildOnly"
      || says "secrets"
      || says "healthChecks"
      || says "preDeployChecks"
      || says "substituteOnDestination"
    then
      found "morph" ""
    else if
      has value [
        "resources"
        "require"
      ]
      || has network [
        "enableRollback"
        "storage"
        "lock"
      ]
      || says "targetEnv"
      || says "provisionSSHKey"
      || says "alwaysActivate"
      || says "owners"
      || says "hasFastConnection"
    then
      found "nixops" ""
    else if
      says "buildOnTarget" || says "allowLocalDeployment" || says "replaceUnknownProfiles"
    then
      found "colmena" ""
    else
      found (if value ? network then "network" else "") "";
  ofFlake =
    if flake ? colmenaHive then
      found "colmena" "colmenaHive"
    else if flake ? colmena then
      found "colmena" "colmena"
    else if flake ? deploy.nodes then
      found "deploy-rs" "deploy"
    else if flake ? nixopsConfigurations.default then
      found "nixops" "nixopsConfigurations"
    else if flake ? clan || flake ? clanInternals then
      found "clan" "nixosConfigurations"
    else if flake ? nixosConfigurations then
      found "flake" "nixosConfigurations"
    else
      found "" "";
in
builtins.toJSON (if flake != null then ofFlake else ofFile)
