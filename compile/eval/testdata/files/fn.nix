{ x, ... }@args: args // { y = x; }
