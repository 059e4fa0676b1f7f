{
  inputs.palette.url = "path:../palette";

  outputs =
    { self, palette }:
    {
      nixosModules.default =
        { config, lib, ... }:
        {
          options.site.colour = lib.mkOption {
            type = lib.types.str;
            description = "A name of the palette, or a colour.";
          };
          config.environment.variables.COLOUR =
            palette.colours.${config.site.colour} or config.site.colour;
        };
      overlays.default = final: prev: { siteName = "site"; };
    };
}
