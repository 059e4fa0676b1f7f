# What a configuration must satisfy, and what its author should know. Both
# are acted upon by system.build.toplevel.
{ lib, ... }:
{
  imports = [
    (lib.mkRenamedOptionModule [ "environment" "checkConfigurationOptions" ] [ "_module" "check" ])
  ];

  options = {
    assertions = lib.mkOption {
      type = lib.types.listOf lib.types.unspecified;
      internal = true;
      default = [ ];
      example = [
        {
          assertion = false;
          message = "you can't enable this for that reason";
        }
      ];
      description = "Conditions under which the system may be built, each with the message if one fails.";
    };
    warnings = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      internal = true;
      default = [ ];
      description = "Messages shown when the system is evaluated.";
    };
  };
}
