# The options of a key that colmena and NixOps have.
{
  lib,
  name,
  config,
}:
let
  option = type: default: lib.mkOption { inherit type default; };
  inherit (lib) types;
in
{
  name = option types.str name;
  text = option (types.nullOr types.str) null;
  keyFile = option (types.nullOr types.path) null // {
    apply = file: if file == null then null else toString file;
  };
  keyCommand = option (types.nullOr (types.listOf types.str)) null;
  destDir = option types.path "/run/keys";
  path = option types.path "${config.destDir}/${config.name}";
  user = option types.str "root";
  group = option types.str "root";
  permissions = option types.str "0600";
}
