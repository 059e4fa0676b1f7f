{ lib }:
rec {
  licenses = lib.mapAttrs (_: fullName: { inherit fullName; free = true; }) {
    asl20 = "Apache License 2.0";
    bsd3 = "BSD 3-clause";
    gpl2Only = "GNU GPL v2 only";
    gpl3Plus = "GNU GPL v3 or later";
    isc = "ISC License";
    mit = "MIT License";
  };
  maintainers = { };
  platforms = rec {
    linux = [
      "aarch64-linux"
      "armv7l-linux"
      "i686-linux"
      "riscv64-linux"
      "x86_64-linux"
    ];
    unix = linux;
    all = linux;
  };

  # The program a package is called for: /nix/store/…-hello-2.12/bin/hello
  getExe = pkg: getExe' pkg (pkg.meta.mainProgram or (lib.getName pkg));
  getExe' = pkg: name: "${lib.getBin pkg}/bin/${name}";
  hiPrio = lib.id;
  lowPrio = lib.id;
}
