# Written by muster compile from fleet.cue; edit that instead.
let
  inputs = musterInputs {
    self = ./.;
    lock = ./npins.json;
    pins = {
      nixpkgs = {
        locked = {
          type = "github";
          owner = "NixOS";
          repo = "nixpkgs";
          rev = "0123456789abcdef0123456789abcdef01234567";
          narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        };
        flake = false;
      };
      sops = {
        locked = {
          type = "gitlab";
          owner = "group%2Fsub";
          repo = "sops";
          host = "git.example.org";
          rev = "0123456789abcdef0123456789abcdef01234567";
          narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        };
        follows = {
          nixpkgs = [ "nixpkgs" ];
          flake-utils = [ "self" ];
          systems = [
            "hut"
            "systems"
          ];
        };
        flake = true;
      };
      hut = {
        locked = {
          type = "sourcehut";
          owner = "~user";
          repo = "hut";
          rev = "0123456789abcdef0123456789abcdef01234567";
          narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
          dir = "nix";
        };
        flake = true;
      };
      repo = {
        locked = {
          type = "git";
          url = "ssh://git@example.org/repo";
          ref = "main";
          rev = "0123456789abcdef0123456789abcdef01234567";
          submodules = true;
        };
        flake = true;
      };
      archive = {
        locked = {
          type = "tarball";
          url = "https://example.org/x.tar.gz";
          narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        };
        flake = true;
      };
      page = {
        locked = {
          type = "file";
          url = "https://example.org/x.html";
          narHash = "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
        };
        flake = false;
      };
      here = {
        locked = {
          type = "path";
          path = ./.;
        };
        flake = false;
      };
      disko = {
        follows = {
          nixpkgs = [ "nixpkgs" ];
        };
        flake = true;
      };
    };
  };

  # what lock files and pins name, fetched, and flakes evaluated
  musterInputs =
    …;

  # fleet.cue:31
  oddRole = { };
in
{
  network = {
    description = "NixOS fleet";
    enableRollback = true;
    nixpkgs = inputs.nixpkgs.outPath;
    specialArgs =
      let
        nixpkgs = inputs.nixpkgs.outPath;
      in
      {
        inherit inputs;
        unstable = import inputs.nixpkgs { inherit (nixpkgs) system; };
        word = "data";
      };
    nodeSpecialArgs = {
      a =
        let
          name = "a";
        in
        {
          who = name;
        };
      c = {
        word = "other";
      };
    };
    nodeNixpkgs = {
      a = ./.;
      b = inputs.disko.outPath;
    };
  };

  # fleet.cue:16
  defaults = {
    imports = [
      inputs.sops.nixosModules.sops
      (inputs.here.outPath + "/module.nix")
      {
        nixpkgs.config = {
          allowUnfree = true;
        };
        nixpkgs.overlays = [
          inputs.hut.overlays.default
          (import ./overlay.nix)
          (final: prev: { inherit (inputs) here; })
        ];
      }
    ];

    system.stateVersion = "24.11";
    environment.etc.page.source = inputs.page;
    users.users.root.openssh.authorizedKeys.keyFiles = [ (inputs.here.outPath + "/key.pub") ];
  };

  # fleet.cue:37
  a = {
    imports = [ oddRole ];

    deployment = {
      targetHost = "192.0.2.1";
      targetEnv = "none";
    };
    networking.hostName = "a";
  };

  # fleet.cue:38
  b = {
    deployment = {
      targetHost = "192.0.2.2";
      targetEnv = "none";
    };
    networking.hostName = "b";
  };

  # fleet.cue:39
  c = {
    deployment = {
      targetHost = "192.0.2.3";
      targetEnv = "none";
    };
    networking.hostName = "c";
    services.x = inputs.here.outPath;
  };
}
