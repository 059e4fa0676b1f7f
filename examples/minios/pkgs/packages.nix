# The packages: each a real derivation with the name, version and outputs of
# the program it stands in for, and a script in the program's place.
{ lib, pkgs }:
let
  standIn =
    pname: version:
    {
      programs ? [ pname ],
      description ? "Stand-in for ${pname}",
      files ? "",
      outputs ? [ "out" ],
      daemon ? false,
      passthru ? { },
    }:
    pkgs.mkDerivation {
      inherit
        pname
        version
        outputs
        passthru
        ;
      buildCommand = ''
        mkdir -p $out/bin
        # Where the machine has the real program, the stand-in steps aside.
        for program in ${toString programs}; do
          {
            printf '#!/bin/sh\nfor real in /usr/bin/%s /usr/sbin/%s; do [ ! -x $real ] || exec $real "$@"; done\n' "$program" "$program"
            ${lib.optionalString daemon "cat ${daemonLoop}"}
            printf 'echo "%s ${version} (minios stand-in) $*"\n' "$program"
          } > $out/bin/$program
          chmod +x $out/bin/$program
        done
        ${files}
      '';
      meta = {
        inherit description;
        platforms = lib.platforms.linux;
        mainProgram = lib.head (programs ++ [ pname ]);
      };
    };
  # A daemon's stand-in stays when systemd starts it as the main process of a service (MAINPID is there for reloads only).
  daemonLoop = builtins.toFile "daemon-loop" ''
    case " $* " in
    *" -t "* | *" reload "* | *" validate "*) ;;
    *) if [ "''${SYSTEMD_EXEC_PID:-}" = $$ ] && [ -z "''${MAINPID:-}" ]; then echo "''${0##*/} (minios stand-in) $*"; exec sleep infinity; fi ;;
    esac
  '';
  plain =
    pname: version:
    standIn pname version { };
  daemon =
    pname: version:
    standIn pname version { daemon = true; };
in
lib.mapAttrs daemon {
  age = "1.2.0";
  caddy = "2.8.4";
  containerd = "1.7.23";
  coredns = "1.11.3";
  flannel = "0.25.6";
  haproxy = "3.0.5";
  k3s = "1.31.1";
  keepalived = "2.3.1";
  nginx = "1.26.2";
  podman = "5.2.3";
  postgresql = "16.4";
  redis = "7.2.6";
  rke2 = "1.31.1";
}
// lib.mapAttrs plain {
  cfssl = "1.6.5";
  conntrack-tools = "1.4.8";
  cri-tools = "1.31.1";
  curl = "8.11.0";
  dig = "9.18.28";
  diffutils = "3.10";
  ethtool = "6.11";
  file = "5.45";
  ghost = "5.94.0";
  gitMinimal = "2.47.0";
  gnugrep = "3.11";
  gnused = "4.9";
  gnutar = "1.35";
  gzip = "1.13";
  htop = "3.3.0";
  iproute2 = "6.11.0";
  iptables = "1.8.10";
  jq = "1.7.1";
  kubectl = "1.31.2";
  kubernetes-helm = "3.16.1";
  less = "661";
  lsof = "4.99.3";
  mosh = "1.4.0";
  nano = "8.2";
  ncdu = "2.6";
  nix = "2.24.10";
  nodejs = "20.18.0";
  procps = "4.0.4";
  python3 = "3.12.7";
  rsync = "3.3.0";
  screen = "4.9.1";
  socat = "1.8.0.1";
  strace = "6.12";
  sudo = "1.9.16";
  tcpdump = "4.99.5";
  tmux = "3.5a";
  tree = "2.1.3";
  unzip = "6.0";
  wget = "1.24.5";
  zsh = "5.9";
}
// {
  hello = pkgs.mkDerivation {
    pname = "hello";
    version = "2.12.1";
    buildCommand = ''
      mkdir -p $out/bin
      printf '#!/bin/sh\necho "Hello, world!"\n' > $out/bin/hello
      chmod +x $out/bin/hello
    '';
    meta = {
      description = "Program that says hello";
      mainProgram = "hello";
      license = lib.licenses.gpl3Plus;
      platforms = lib.platforms.linux;
    };
  };
  apacheHttpd = standIn "apache-httpd" "2.4.62" { daemon = true; programs = [ "httpd" "apachectl" ]; };
  bash = standIn "bash" "5.2" {
    programs = [ "bash" "sh" ];
    passthru.shellPath = "/bin/bash";
  };
  bashInteractive = pkgs.bash;
  coreutils = standIn "coreutils" "9.5" {
    programs = [ "cat" "chmod" "cp" "ln" "ls" "mkdir" "mv" "rm" "sleep" "sort" ];
  };
  docker = standIn "docker" "27.3.1" { daemon = true; programs = [ "docker" "dockerd" ]; };
  etcd = standIn "etcd" "3.5.16" { daemon = true; programs = [ "etcd" "etcdctl" ]; };
  etcd_3_5 = pkgs.etcd;
  findutils = standIn "findutils" "4.10.0" { programs = [ "find" "xargs" ]; };
  git = standIn "git" "2.47.0" { };
  kubernetes = standIn "kubernetes" "1.31.2" {
    daemon = true;
    programs = [
      "kube-apiserver"
      "kube-controller-manager"
      "kube-proxy"
      "kube-scheduler"
      "kubeadm"
      "kubelet"
    ];
  };
  openssh = standIn "openssh" "9.9p1" { programs = [ "ssh" "sshd" "ssh-keygen" "scp" ]; };
  systemd = standIn "systemd" "256.7" {
    programs = [ "systemctl" "journalctl" "systemd-run" "systemd-tmpfiles" ];
    files = ''
      mkdir -p $out/lib/systemd
      printf '#!/bin/sh\n[ ! -x /usr/lib/systemd/systemd ] || exec /usr/lib/systemd/systemd "$@"\necho "systemd 256.7 (minios stand-in)"\n' > $out/lib/systemd/systemd
      chmod +x $out/lib/systemd/systemd
    '';
  };
  util-linux = standIn "util-linux" "2.39.4" { programs = [ "mount" "umount" "lsblk" ]; };
  valgrind = standIn "valgrind" "3.23.0" {
    outputs = [ "out" "doc" ];
    files = ''
      mkdir -p $doc/share/doc/valgrind/html
      echo '<!doctype html><title>Valgrind Documentation</title><h1>Valgrind Documentation</h1>' > $doc/share/doc/valgrind/html/index.html
    '';
  };
  vim = standIn "vim" "9.1.0787" { programs = [ "vim" "vi" ]; };
  wireguard-tools = standIn "wireguard-tools" "1.0.20210914" { programs = [ "wg" "wg-quick" ]; };

  # A kernel is a bzImage and modules; what boots it is not here.
  linux = pkgs.linux_6_6;
  linux_6_6 = pkgs.makeKernel "6.6.63";
  linux_6_12 = pkgs.makeKernel "6.12.1";
  makeKernel =
    version:
    pkgs.mkDerivation {
      pname = "linux";
      inherit version;
      buildCommand = ''
        mkdir -p $out/lib/modules/${version}
        echo "Linux ${version} (minios stand-in)" > $out/bzImage
        echo "kernel/net/wireguard.ko" > $out/lib/modules/${version}/modules.order
      '';
      passthru.modDirVersion = version;
      meta.description = "Stand-in for the Linux kernel";
    };
  linuxPackagesFor = kernel: {
    inherit kernel;
    wireguard = null;
  };
  linuxPackages = pkgs.linuxPackagesFor pkgs.linux;
  linuxPackages_6_6 = pkgs.linuxPackagesFor pkgs.linux_6_6;
  linuxPackages_6_12 = pkgs.linuxPackagesFor pkgs.linux_6_12;
  linuxPackages_latest = pkgs.linuxPackages_6_12;
}
