# roles/kubernetes-master.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:14
{
  services.k3s = {
    manifests.web.content = {
      apiVersion = "v1";
      kind = "ConfigMap";
      metadata = {
        name = "web";
        namespace = "kube-system";
      };
      data.a = "b";
    };
    enable = true;
    role = "server";
    tokenFile = "/run/muster-secrets/join";
    extraFlags = [
      "--cluster-cidr=10.42.0.0/16,fd42:10::/56"
      "--service-cidr=10.43.0.0/16,fd42:11::/112"
      "--flannel-ipv6-masq"
      "--tls-san=10.9.0.1"
      "--disable=coredns"
      "--datastore-endpoint=https://10.9.0.4:2379,https://10.9.0.5:2379,https://10.9.0.6:2379"
      "--datastore-cafile=/etc/rancher/k3s/etcd-ca.crt"
      "--datastore-certfile=/run/muster-secrets/kubernetes-apiserver-etcd-client"
      "--datastore-keyfile=/run/muster-secrets/kubernetes-apiserver-etcd-client"
    ];
  };
  networking.firewall = {
    allowedTCPPorts = [
      10250
      6443
    ];
    allowedUDPPorts = [ 8472 ];
  };
}

# roles/kubernetes-node.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:14
{
  networking.firewall = {
    allowedTCPPorts = [ 10250 ];
    allowedUDPPorts = [ 8472 ];
  };
  services.k3s = {
    enable = true;
    role = "agent";
    tokenFile = "/run/muster-secrets/join";
    serverAddr = "https://10.9.0.1:6443";
  };
}

# hosts/h1.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:6
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-master.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.1";
    targetEnv = "none";
  };
  networking.hostName = "h1";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952300";
    fsType = "ext4";
  };
  environment.etc."rancher/k3s/etcd-ca.crt".source = ../../pki/etcd-ca.crt;
  services.k3s.extraFlags = [ "--node-ip=10.9.0.1,fd09::1" ];
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.k3s.package));
      in
      {
        assertion = lib.versions.majorMinor has == "1.31";
        message = "kluster.version is 1.31, and config.services.k3s.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.k3s.package.";
      }
    )
  ];
  muster.secrets = {
    join = { };
    kubernetes-apiserver-etcd-client.restart = [ "k3s.service" ];
  };
}

# hosts/h2.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:7
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-master.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.2";
    targetEnv = "none";
  };
  networking.hostName = "h2";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952301";
    fsType = "ext4";
  };
  environment.etc."rancher/k3s/etcd-ca.crt".source = ../../pki/etcd-ca.crt;
  services.k3s.extraFlags = [
    "--node-ip=10.9.0.2,fd09::2"
    "--node-label=zone=a"
    "--node-taint=gpu=yes:NoSchedule"
    "--node-taint=old:NoExecute"
  ];
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.k3s.package));
      in
      {
        assertion = lib.versions.majorMinor has == "1.31";
        message = "kluster.version is 1.31, and config.services.k3s.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.k3s.package.";
      }
    )
  ];
  muster.secrets = {
    join = { };
    kubernetes-apiserver-etcd-client.restart = [ "k3s.service" ];
  };
}

# hosts/h3.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:8
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-master.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.3";
    targetEnv = "none";
  };
  networking.hostName = "h3";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952302";
    fsType = "ext4";
  };
  environment.etc."rancher/k3s/etcd-ca.crt".source = ../../pki/etcd-ca.crt;
  services.k3s.extraFlags = [
    "--node-ip=10.9.0.3,fd09::3"
    "--node-taint=node-role.kubernetes.io/control-plane=true:NoSchedule"
  ];
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.k3s.package));
      in
      {
        assertion = lib.versions.majorMinor has == "1.31";
        message = "kluster.version is 1.31, and config.services.k3s.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.k3s.package.";
      }
    )
  ];
  muster.secrets = {
    join = { };
    kubernetes-apiserver-etcd-client.restart = [ "k3s.service" ];
  };
}

# hosts/h4.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:9
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-node.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.4";
    targetEnv = "none";
  };
  networking.hostName = "h4";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952303";
    fsType = "ext4";
  };
  services.etcd = {
    enable = true;
    openFirewall = true;
    name = "h4";
    listenClientUrls = [ "https://0.0.0.0:2379" ];
    listenPeerUrls = [ "https://0.0.0.0:2380" ];
    advertiseClientUrls = [ "https://10.9.0.4:2379" ];
    initialAdvertisePeerUrls = [ "https://10.9.0.4:2380" ];
    initialCluster = [
      "h4=https://10.9.0.4:2380"
      "h5=https://10.9.0.5:2380"
      "h6=https://10.9.0.6:2380"
    ];
    clientCertAuth = true;
    peerClientCertAuth = true;
    trustedCaFile = ../../pki/etcd-ca.crt;
    certFile = "/run/muster-secrets/kubernetes-etcd";
    keyFile = "/run/muster-secrets/kubernetes-etcd";
  };
  services.k3s.extraFlags = [ "--node-ip=10.9.0.4,fd09::4" ];
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.k3s.package));
      in
      {
        assertion = lib.versions.majorMinor has == "1.31";
        message = "kluster.version is 1.31, and config.services.k3s.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.k3s.package.";
      }
    )
  ];
  muster.secrets = {
    join = { };
    kubernetes-etcd = {
      owner = "etcd";
      restart = [ "etcd.service" ];
    };
  };
}

# hosts/h5.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:10
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-node.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.5";
    targetEnv = "none";
  };
  networking.hostName = "h5";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952304";
    fsType = "ext4";
  };
  services.etcd = {
    enable = true;
    openFirewall = true;
    name = "h5";
    listenClientUrls = [ "https://0.0.0.0:2379" ];
    listenPeerUrls = [ "https://0.0.0.0:2380" ];
    advertiseClientUrls = [ "https://10.9.0.5:2379" ];
    initialAdvertisePeerUrls = [ "https://10.9.0.5:2380" ];
    initialCluster = [
      "h4=https://10.9.0.4:2380"
      "h5=https://10.9.0.5:2380"
      "h6=https://10.9.0.6:2380"
    ];
    clientCertAuth = true;
    peerClientCertAuth = true;
    trustedCaFile = ../../pki/etcd-ca.crt;
    certFile = "/run/muster-secrets/kubernetes-etcd";
    keyFile = "/run/muster-secrets/kubernetes-etcd";
  };
  services.k3s.extraFlags = [ "--node-ip=10.9.0.5,fd09::5" ];
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.k3s.package));
      in
      {
        assertion = lib.versions.majorMinor has == "1.31";
        message = "kluster.version is 1.31, and config.services.k3s.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.k3s.package.";
      }
    )
  ];
  muster.secrets = {
    join = { };
    kubernetes-etcd = {
      owner = "etcd";
      restart = [ "etcd.service" ];
    };
  };
}

# hosts/h6.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:11
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-node.nix
    ../roles/muster-secrets.nix
  ];

  deployment = {
    targetHost = "10.9.0.6";
    targetEnv = "none";
  };
  networking.hostName = "h6";
  fileSystems."/" = {
    device = "/dev/disk/by-uuid/01b3bcba-c0ef-4538-8dd2-f7dee2952305";
    fsType = "ext4";
  };
  services.etcd = {
    enable = true;
    openFirewall = true;
    name = "h6";
    listenClientUrls = [ "https://0.0.0.0:2379" ];
    listenPeerUrls = [ "https://0.0.0.0:2380" ];
    advertiseClientUrls = [ "https://10.9.0.6:2379" ];
    initialAdvertisePeerUrls = [ "https://10.9.0.6:2380" ];
    initialCluster = [
      "h4=https://10.9.0.4:2380"
      "h5=https://10.9.0.5:2380"
      "h6=https://10.9.0.6:2380"
    ];
    clientCertAuth = true;
    peerClientCertAuth = true;
    trustedCaFile = ../../pki/etcd-ca.crt;
    certFile = "/run/muster-secrets/kubernetes-etcd";
    keyFile = "/run/muster-secrets/kubernetes-etcd";
  };
  services.k3s.extraFlags = [ "--node-ip=10.9.0.6,fd09::6" ];
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.k3s.package));
      in
      {
        assertion = lib.versions.majorMinor has == "1.31";
        message = "kluster.version is 1.31, and config.services.k3s.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.k3s.package.";
      }
    )
  ];
  muster.secrets = {
    join = { };
    kubernetes-etcd = {
      owner = "etcd";
      restart = [ "etcd.service" ];
    };
  };
}

