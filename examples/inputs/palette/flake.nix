{
  outputs =
    { self }:
    {
      colours = {
        red = "#ff0000";
        blue = "#0000ff";
      };
    };
}
