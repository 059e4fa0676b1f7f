# builtins.derivation: derivationStrict computes the paths, once and only when
# they are asked for; around it is a set for each output, which all hold each
# other.
drvAttrs@{ outputs ? [ "out" ], ... }:
let
  paths = derivationStrict drvAttrs;
  outputSet = outputName: {
    name = outputName;
    value = common // {
      outPath = builtins.getAttr outputName paths;
      drvPath = paths.drvPath;
      type = "derivation";
      inherit outputName;
    };
  };
  outputSets = map outputSet outputs;
  common = drvAttrs // builtins.listToAttrs outputSets // {
    all = map (x: x.value) outputSets;
    inherit drvAttrs;
  };
in (builtins.head outputSets).value
