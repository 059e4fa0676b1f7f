# A web server on a rented machine that serves valgrind's manual.
{
  network.description = "Web server";

  webserver =
    { pkgs, modulesPath, ... }:
    {
      imports = [
        (modulesPath + "/profiles/qemu-guest.nix")
        (modulesPath + "/profiles/headless.nix")
      ];
      deployment.targetHost = "203.0.113.10";
      boot.loader.grub.device = "/dev/vda";
      fileSystems."/" = {
        device = "/dev/disk/by-uuid/8a5f1e64-5a3c-4d1c-9d0b-3f5d2a9f0b11";
        fsType = "ext4";
      };
      swapDevices = [
        {
          device = "/var/swap";
          size = 1024;
        }
      ];
      networking.hostName = "webserver";
      networking.firewall.allowedTCPPorts = [ 80 ];
      services.openssh.enable = true;
      services.openssh.settings.PasswordAuthentication = false;
      users.users.root.openssh.authorizedKeys.keys = [ "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1mX3iXn0N4cYJ9u2pZ1vQe4c0m0y3mV7yqkq8b8f7K operator" ];
      services.httpd = {
        enable = true;
        adminAddr = "admin@example.org";
        virtualHosts.localhost.documentRoot = "${pkgs.valgrind.doc}/share/doc/valgrind/html";
      };
      system.stateVersion = "24.11";
    };
}
