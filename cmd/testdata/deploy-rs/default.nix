# A nixpkgs for deploy-rs's own flake: minios, with the activate that cargo has built.
{
  system,
  overlays ? [ ],
}:
import ./minios {
  inherit system;
  overlays = overlays ++ [
    (_: prev: {
      runtimeShell = "/bin/bash"; # its scripts are for bash
      rustPlatform.buildRustPackage =
        _:
        prev.runCommand "deploy-rs" { } ''
          mkdir -p $out/bin
          cp ${./activate} $out/bin/activate
          chmod +x $out/bin/activate
        '';
    })
  ];
}
