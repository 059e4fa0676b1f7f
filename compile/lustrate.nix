# At the first boot after muster install --in-place, what was on the root file system goes
# to /old-root. The scripted first stage of NixOS does so itself; that of systemd does not.
{
  config,
  lib,
  options,
  ...
}:
{
  # Releases before 22.05 have no other first stage than the scripted one.
  config = lib.optionalAttrs (options.boot.initrd ? systemd.services) {
    boot.initrd.systemd.services.muster-lustrate = lib.mkIf config.boot.initrd.systemd.enable {
      description = "Move the Linux that NixOS replaces to /old-root";
      unitConfig.DefaultDependencies = false;
      unitConfig.ConditionPathExists = [
        "|/sysroot/etc/NIXOS_LUSTRATE"
        "|/sysroot/old-root.new"
        "|/sysroot/old-root/.keep"
      ];
      requires = [ "sysroot.mount" ];
      after = [ "sysroot.mount" ];
      before = [
        "initrd-root-fs.target"
        "sysroot-run.mount"
      ];
      requiredBy = [ "initrd-root-fs.target" ];
      serviceConfig.Type = "oneshot";
      script = "set -- /sysroot\n" + lustrateScript;
    };
  };
}
