# A module of the fleet's own: inputs and what special_args adds are arguments.
{ inputs, greeting, ... }:
{
  environment.variables = {
    GREETING = greeting;
    COLOURS = toString (builtins.attrNames inputs.palette.colours);
  };
}
