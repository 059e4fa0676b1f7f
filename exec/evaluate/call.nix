# Calls a function with what it names of the scope.
scope: f:
if builtins.isFunction f && builtins.functionArgs f != { } then
  f (builtins.intersectAttrs (builtins.functionArgs f) scope)
else
  f
