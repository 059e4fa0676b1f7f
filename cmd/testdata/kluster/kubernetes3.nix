# roles/kubernetes-master.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:10
{
  config,
  lib,
  pkgs,
  ...
}:
{
  environment.systemPackages = [
    pkgs.kubernetes
    pkgs.kubectl
  ];
  environment.etc = {
    "kube-flannel/net-conf.json".source = lib.mkForce (
      pkgs.writeText "net-conf.json" (
        builtins.toJSON {
          Network = config.services.flannel.network;
          SubnetLen = config.services.flannel.subnetLen;
          Backend = config.services.flannel.backend;
          EnableIPv6 = true;
          IPv6Network = "fd42:10::/56";
        }
      )
    );
    "kubernetes/cluster-admin.kubeconfig".source =
      config.services.kubernetes.lib.mkKubeConfig "cluster-admin"
        {
          server = "https://10.9.0.1:6443";
          certFile = "/run/muster-secrets/kubernetes-cluster-admin";
          keyFile = "/run/muster-secrets/kubernetes-cluster-admin";
        };
  };
  networking.firewall.allowedTCPPorts = [
    10250
    6443
  ];
  services.kubernetes = {
    masterAddress = "10.9.0.1";
    apiserverAddress = "https://10.9.0.1:6443";
    easyCerts = false;
    caFile = ../../pki/ca.crt;
    clusterCidr = "10.1.0.0/16,fd42:10::/56";
    addons.dns.enable = false;
    addonManager.addons.web = {
      apiVersion = "v1";
      kind = "ConfigMap";
      metadata = {
        name = "web";
        namespace = "kube-system";
        labels."addonmanager.kubernetes.io/mode" = "Reconcile";
      };
      data.a = "b";
    };
    apiserver = {
      serviceClusterIpRange = "10.0.0.0/24,fd42:11::/112";
      securePort = 6443;
      preferredAddressTypes = "InternalIP,Hostname";
      clientCaFile = ../../pki/ca.crt;
      tlsCertFile = "/run/muster-secrets/kubernetes-apiserver";
      tlsKeyFile = "/run/muster-secrets/kubernetes-apiserver";
      etcd = {
        servers = [ "https://10.9.0.1:2379" ];
        caFile = ../../pki/etcd-ca.crt;
        certFile = "/run/muster-secrets/kubernetes-apiserver-etcd-client";
        keyFile = "/run/muster-secrets/kubernetes-apiserver-etcd-client";
      };
      kubeletClientCaFile = ../../pki/ca.crt;
      kubeletClientCertFile = "/run/muster-secrets/kubernetes-apiserver-kubelet-client";
      kubeletClientKeyFile = "/run/muster-secrets/kubernetes-apiserver-kubelet-client";
      proxyClientCertFile = "/run/muster-secrets/kubernetes-apiserver-proxy-client";
      proxyClientKeyFile = "/run/muster-secrets/kubernetes-apiserver-proxy-client";
      serviceAccountKeyFile = "/run/muster-secrets/kubernetes-service-account";
      serviceAccountSigningKeyFile = "/run/muster-secrets/kubernetes-service-account";
    };
    controllerManager = {
      extraOpts = "--service-cluster-ip-range=10.0.0.0/24,fd42:11::/112";
      rootCaFile = ../../pki/ca.crt;
      serviceAccountKeyFile = "/run/muster-secrets/kubernetes-service-account";
      kubeconfig = {
        server = "https://10.9.0.1:6443";
        certFile = "/run/muster-secrets/kubernetes-controller-manager";
        keyFile = "/run/muster-secrets/kubernetes-controller-manager";
      };
    };
    scheduler.kubeconfig = {
      server = "https://10.9.0.1:6443";
      certFile = "/run/muster-secrets/kubernetes-scheduler";
      keyFile = "/run/muster-secrets/kubernetes-scheduler";
    };
    kubelet = {
      clientCaFile = ../../pki/ca.crt;
      tlsCertFile = "/run/muster-secrets/kubernetes-kubelet";
      tlsKeyFile = "/run/muster-secrets/kubernetes-kubelet";
      kubeconfig = {
        server = "https://10.9.0.1:6443";
        certFile = "/run/muster-secrets/kubernetes-kubelet";
        keyFile = "/run/muster-secrets/kubernetes-kubelet";
      };
    };
    proxy.kubeconfig = {
      server = "https://10.9.0.1:6443";
      certFile = "/run/muster-secrets/kubernetes-proxy";
      keyFile = "/run/muster-secrets/kubernetes-proxy";
    };
  };
  services.flannel = {
    network = "10.1.0.0/16";
    kubeconfig = config.services.kubernetes.lib.mkKubeConfig "flannel" {
      server = "https://10.9.0.1:6443";
      certFile = "/run/muster-secrets/kubernetes-flannel";
      keyFile = "/run/muster-secrets/kubernetes-flannel";
    };
  };
  boot.kernel.sysctl."net.ipv6.conf.all.forwarding" = 1;
  systemd.services.kube-addon-manager = {
    environment.KUBECONFIG = config.services.kubernetes.lib.mkKubeConfig "addon-manager" {
      server = "https://10.9.0.1:6443";
      certFile = "/run/muster-secrets/kubernetes-addon-manager";
      keyFile = "/run/muster-secrets/kubernetes-addon-manager";
    };
    preStart = lib.mkIf (config.services.kubernetes.addonManager.bootstrapAddons != { }) ''
      export KUBECONFIG=/etc/kubernetes/cluster-admin.kubeconfig
      ${pkgs.kubectl}/bin/kubectl apply ${
        lib.concatMapStringsSep " " (addon: "-f ${addon}") (
          lib.mapAttrsToList (
            n: addon: pkgs.writeText "${n}.json" (builtins.toJSON addon)
          ) config.services.kubernetes.addonManager.bootstrapAddons
        )
      }
    '';
  };
}

# roles/kubernetes-node.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:10
{
  config,
  lib,
  pkgs,
  ...
}:
{
  environment.systemPackages = [
    pkgs.kubernetes
    pkgs.kubectl
  ];
  environment.etc."kube-flannel/net-conf.json".source = lib.mkForce (
    pkgs.writeText "net-conf.json" (
      builtins.toJSON {
        Network = config.services.flannel.network;
        SubnetLen = config.services.flannel.subnetLen;
        Backend = config.services.flannel.backend;
        EnableIPv6 = true;
        IPv6Network = "fd42:10::/56";
      }
    )
  );
  networking.firewall.allowedTCPPorts = [ 10250 ];
  services.kubernetes = {
    masterAddress = "10.9.0.1";
    apiserverAddress = "https://10.9.0.1:6443";
    easyCerts = false;
    caFile = ../../pki/ca.crt;
    clusterCidr = "10.1.0.0/16,fd42:10::/56";
    addons.dns.enable = false;
    kubelet = {
      clientCaFile = ../../pki/ca.crt;
      tlsCertFile = "/run/muster-secrets/kubernetes-kubelet";
      tlsKeyFile = "/run/muster-secrets/kubernetes-kubelet";
      kubeconfig = {
        server = "https://10.9.0.1:6443";
        certFile = "/run/muster-secrets/kubernetes-kubelet";
        keyFile = "/run/muster-secrets/kubernetes-kubelet";
      };
    };
    proxy.kubeconfig = {
      server = "https://10.9.0.1:6443";
      certFile = "/run/muster-secrets/kubernetes-proxy";
      keyFile = "/run/muster-secrets/kubernetes-proxy";
    };
  };
  services.flannel = {
    network = "10.1.0.0/16";
    kubeconfig = config.services.kubernetes.lib.mkKubeConfig "flannel" {
      server = "https://10.9.0.1:6443";
      certFile = "/run/muster-secrets/kubernetes-flannel";
      keyFile = "/run/muster-secrets/kubernetes-flannel";
    };
  };
  boot.kernel.sysctl."net.ipv6.conf.all.forwarding" = 1;
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
  services.kubernetes = {
    roles = [
      "master"
      "node"
    ];
    kubelet.nodeIp = "10.9.0.1,fd09::1";
    apiserver.advertiseAddress = "10.9.0.1";
  };
  services.etcd = {
    enable = true;
    openFirewall = true;
    name = "h1";
    listenClientUrls = [ "https://0.0.0.0:2379" ];
    listenPeerUrls = [ "https://0.0.0.0:2380" ];
    advertiseClientUrls = [ "https://10.9.0.1:2379" ];
    initialAdvertisePeerUrls = [ "https://10.9.0.1:2380" ];
    initialCluster = [ "h1=https://10.9.0.1:2380" ];
    clientCertAuth = true;
    peerClientCertAuth = true;
    trustedCaFile = ../../pki/etcd-ca.crt;
    certFile = "/run/muster-secrets/kubernetes-etcd";
    keyFile = "/run/muster-secrets/kubernetes-etcd";
  };
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.kubernetes.package));
      in
      {
        assertion = has == "1.31.2";
        message = "kluster.version is 1.31.2, and config.services.kubernetes.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.kubernetes.package.";
      }
    )
  ];
  muster.secrets = {
    kubernetes-apiserver = {
      owner = "kubernetes";
      restart = [ "kube-apiserver.service" ];
    };
    kubernetes-apiserver-etcd-client = {
      owner = "kubernetes";
      restart = [ "kube-apiserver.service" ];
    };
    kubernetes-apiserver-kubelet-client = {
      owner = "kubernetes";
      restart = [ "kube-apiserver.service" ];
    };
    kubernetes-apiserver-proxy-client = {
      owner = "kubernetes";
      restart = [ "kube-apiserver.service" ];
    };
    kubernetes-service-account = {
      owner = "kubernetes";
      restart = [
        "kube-apiserver.service"
        "kube-controller-manager.service"
      ];
    };
    kubernetes-controller-manager = {
      owner = "kubernetes";
      restart = [ "kube-controller-manager.service" ];
    };
    kubernetes-scheduler = {
      owner = "kubernetes";
      restart = [ "kube-scheduler.service" ];
    };
    kubernetes-addon-manager = {
      owner = "kubernetes";
      restart = [ "kube-addon-manager.service" ];
    };
    kubernetes-cluster-admin.owner = "kubernetes";
    kubernetes-kubelet.restart = [ "kubelet.service" ];
    kubernetes-proxy.restart = [ "kube-proxy.service" ];
    kubernetes-flannel.restart = [ "flannel.service" ];
    kubernetes-etcd = {
      owner = "etcd";
      restart = [ "etcd.service" ];
    };
  };
}

# hosts/h2.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:7
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-node.nix
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
  services.kubernetes = {
    roles = [ "node" ];
    kubelet = {
      nodeIp = "10.9.0.2,fd09::2";
      extraOpts = "--node-labels=zone=a";
      taints = {
        taint1 = {
          key = "gpu";
          value = "yes";
          effect = "NoSchedule";
        };
        taint2 = {
          key = "old";
          value = "";
          effect = "NoExecute";
        };
      };
    };
  };
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.kubernetes.package));
      in
      {
        assertion = has == "1.31.2";
        message = "kluster.version is 1.31.2, and config.services.kubernetes.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.kubernetes.package.";
      }
    )
  ];
  muster.secrets = {
    kubernetes-kubelet.restart = [ "kubelet.service" ];
    kubernetes-proxy.restart = [ "kube-proxy.service" ];
    kubernetes-flannel.restart = [ "flannel.service" ];
  };
}

# hosts/h3.nix
# Written by muster compile from hosts.cue; edit that instead.
# hosts.cue:8
{ config, lib, ... }:
{
  imports = [
    ../roles/kubernetes-node.nix
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
  services.kubernetes = {
    roles = [ "node" ];
    kubelet.nodeIp = "10.9.0.3,fd09::3";
  };
  assertions = [
    (
      let
        has = lib.head (lib.splitString "+" (lib.getVersion config.services.kubernetes.package));
      in
      {
        assertion = has == "1.31.2";
        message = "kluster.version is 1.31.2, and config.services.kubernetes.package is Kubernetes ${has}: pin a nixpkgs that has it, or set services.kubernetes.package.";
      }
    )
  ];
  muster.secrets = {
    kubernetes-kubelet.restart = [ "kubelet.service" ];
    kubernetes-proxy.restart = [ "kube-proxy.service" ];
    kubernetes-flannel.restart = [ "flannel.service" ];
  };
}

