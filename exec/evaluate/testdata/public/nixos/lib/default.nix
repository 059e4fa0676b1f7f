{ lib, ... }:
{
  evalModules = lib.evalModules;
  runTest = module: { name = "test"; inherit module; };
}
