# A program of the shop. Its sources, beside this file, do not leave the
# machine that builds.
{ pkgs, ... }:
let
  source = ./greeter;
  greeter =
    pkgs.runCommand "greeter"
      {
        inherit source;
        # Fail if the output refers to the sources.
        disallowedReferences = [ source ];
      }
      ''
        mkdir -p $out/bin
        while IFS= read -r line; do
          case $line in
            *@greeting@*) echo '  echo "Good day."' ;;
            *) echo "$line" ;;
          esac
        done < $source/greeter.sh > $out/bin/greeter
        chmod +x $out/bin/greeter
      '';
in
{
  systemd.services.greeter = {
    description = "Greets whoever comes by";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      ExecStart = "${greeter}/bin/greeter";
      DynamicUser = true;
    };
  };
}
