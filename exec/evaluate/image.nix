# The image of a kind that a host's configuration builds, with more modules.
nodes: name: kind: modules:
let
  node = nodes.${name};
  self = if modules == [ ] then node else node.extendModules { inherit modules; };
  build = self.config.system.build;
  images = build.images or { };
  # What kinds were called before there was system.build.images.
  former = {
    iso = "isoImage";
    sd = "sdImage";
    sd-card = "sdImage";
    kexec = "kexecTree";
    netboot = "netbootRamdisk";
    qcow2 = "qcow";
  };
  old = former.${kind} or kind;
  isImage = n: builtins.match ".*[Ii]mage|vm|vmWithBootLoader|qcow|kexec.*|netboot.*|tarball|ova" n != null;
  known = builtins.attrNames images ++ builtins.filter isImage (builtins.attrNames build);
in
images.${kind} or build.${old} or (throw "image ${kind}: ${name} has neither system.build.images.${kind} nor system.build.${old}: ${
  if known == [ ] then
    "it has none; a module such as nixpkgs' installer/cd-dvd/iso-image.nix makes one"
  else
    "it has ${builtins.concatStringsSep ", " known}"
}")
