# Systems that need the shared derivations, one of their own, and what they are to fail at.
{
  record,
  hosts,
  shared,
  mistakes ? { },
}:
let
  among = list: n: builtins.elem n (mistakes.${list} or [ ]);
  make =
    name: attrs:
    derivation (
      {
        inherit name record;
        system = "x86_64-linux";
        builder = "/bin/sh";
        args = [
          "-c"
          ''echo "$name" >>"$record"; eval "$script"; echo "$name" >"$out"''
        ];
        script = "/bin/sleep 0.2";
      }
      // attrs
    );
  common = builtins.genList (n: make "shared-${toString n}" { }) shared;
  broken = make "broken" { script = "echo oh no >&2; exit 3"; };
  odd = make "odd" { requiredSystemFeatures = [ "odd" ]; };
in
builtins.genList (
  n:
  make "system-${toString n}" {
    script = if among "slow" n then "/bin/sleep 4" else "";
    ${if among "foreign" n then "system" else null} = "riscv64-linux";
    ${if among "foreign" n then "requiredSystemFeatures" else null} = [ "kvm" ];
    deps =
      common
      ++ (if among "broken" n then [ broken ] else [ ])
      ++ (if among "odd" n then [ odd ] else [ ]);
  }
) hosts
