# Kubernetes by roles: a master runs the control plane and etcd, a node runs
# the kubelet; both speak to the API server at masterAddress.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib)
    mkDefault
    mkEnableOption
    mkIf
    mkOption
    mkRemovedOptionModule
    types
    ;
  cfg = config.services.kubernetes;
  etcd = config.services.etcd;
  master = builtins.elem "master" cfg.roles;
  node = builtins.elem "node" cfg.roles;

  flag = default: description: mkOption {
    type = types.bool;
    inherit default description;
  };
  str = default: description: mkOption {
    type = types.str;
    inherit default description;
  };
  maybe = type: description: mkOption {
    type = types.nullOr type;
    default = null;
    inherit description;
  };
  strings = default: description: mkOption {
    type = types.listOf types.str;
    inherit default description;
  };
  extraOpts = mkOption {
    type = types.separatedString " ";
    default = "";
    example = "--fail-swap-on=false";
    description = "More command-line options.";
  };
  port = default: description: mkOption {
    type = types.port;
    inherit default description;
  };
  component =
    title: more:
    {
      enable = mkEnableOption title;
      inherit extraOpts;
      featureGates = mkOption {
        type = types.attrsOf types.bool;
        default = cfg.featureGates;
        description = "Feature gates.";
      };
      verbosity = maybe types.int "The log's verbosity.";
    }
    // more;
  daemon = name: program: options: {
    description = "Kubernetes ${name} Service";
    wantedBy = [ "kubernetes.target" "multi-user.target" ];
    partOf = [ "kubernetes.target" ];
    after = [ "network.target" ];
    serviceConfig = {
      Slice = "kubernetes.slice";
      ExecStart = "${cfg.package}/bin/${program} ${lib.concatStringsSep " " (builtins.filter (o: o != "") options)}";
      Restart = "on-failure";
      RestartSec = 5;
      WorkingDirectory = cfg.dataDir;
    };
  };
  inherit (cfg.kubelet) kubeconfig;
  secret = name: "${cfg.secretsPath}/${name}.pem";
  # The options of a client of the API server.
  client = {
    server = str cfg.apiserverAddress "Where the API server is.";
    caFile = mkOption {
      type = types.nullOr types.path;
      default = cfg.caFile;
      description = "The authority that signed its certificate.";
    };
    certFile = maybe types.path "The client's certificate.";
    keyFile = maybe types.path "Its key.";
  };
  # An option of a program for each file that is given.
  files = lib.mapAttrsToList (name: file: lib.optionalString (file != null) "--${name}=${file}");
  mkKubeConfig =
    name: conf:
    pkgs.writeText "${name}-kubeconfig" (
      builtins.toJSON {
        apiVersion = "v1";
        kind = "Config";
        clusters = [
          {
            name = "local";
            cluster.certificate-authority = conf.caFile or cfg.caFile;
            cluster.server = conf.server;
          }
        ];
        users = [
          {
            inherit name;
            user.client-certificate = conf.certFile;
            user.client-key = conf.keyFile;
          }
        ];
        contexts = [
          {
            name = "local";
            context.cluster = "local";
            context.user = name;
          }
        ];
        current-context = "local";
      }
    );
  # The kubeconfig of a component that has its own, or nothing.
  own =
    name: conf: lib.optionalString (conf.certFile != null) "--kubeconfig=${mkKubeConfig name conf}";
in
{
  imports = [
    (mkRemovedOptionModule [ "services" "kubernetes" "addons" "dashboard" ] "Remove it: the dashboard is no longer part of NixOS.")
    (mkRemovedOptionModule [ "services" "kubernetes" "etcd" ] "Use `services.etcd'.")
  ];

  options.services.kubernetes = {
    roles = mkOption {
      type = types.listOf (types.enum [ "master" "node" ]);
      default = [ ];
      description = "What this machine is to the cluster.";
    };
    package = lib.mkPackageOption pkgs "kubernetes" { };
    masterAddress = mkOption {
      type = types.str;
      example = "master.example.com";
      description = "Name or address of the master.";
    };
    apiserverAddress = mkOption {
      type = types.str;
      default = "https://${cfg.masterAddress}:${toString cfg.apiserver.securePort}";
      description = "Where the API server is.";
    };
    easyCerts = flag false "Whether certificates are made by themselves.";
    clusterCidr = mkOption {
      type = types.nullOr types.str;
      default = "10.1.0.0/16";
      description = "The network of pods.";
    };
    caFile = mkOption {
      type = types.nullOr types.path;
      default = null;
      description = "The certificate authority.";
    };
    dataDir = mkOption {
      type = types.path;
      default = "/var/lib/kubernetes";
      description = "Where Kubernetes keeps its data.";
    };
    secretsPath = mkOption {
      type = types.path;
      default = "/var/lib/kubernetes/secrets";
      description = "Where certificates are kept.";
    };
    featureGates = mkOption {
      type = types.attrsOf types.bool;
      default = { };
      description = "Feature gates of all parts.";
    };
    path = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages in the services' PATH.";
    };
    lib = mkOption {
      type = types.attrs;
      default = { inherit mkKubeConfig; };
      readOnly = true;
      description = "Functions for other modules.";
    };
    kubeconfig = {
      server = mkOption {
        type = types.str;
        default = cfg.apiserverAddress;
        description = "The API server clients use.";
      };
      caFile = maybe types.path "The authority clients trust.";
      certFile = maybe types.path "The clients' certificate.";
      keyFile = maybe types.path "Its key.";
    };
    apiserver = component "Kubernetes apiserver" {
      securePort = port 6443 "The secure port.";
      bindAddress = str "0.0.0.0" "The address to listen on.";
      advertiseAddress = maybe types.str "The address others use.";
      allowPrivileged = flag false "Whether privileged containers are allowed.";
      serviceClusterIpRange = str "10.0.0.0/24" "The network of services.";
      authorizationMode = strings [ "RBAC" "Node" ] "How requests are allowed.";
      enableAdmissionPlugins = strings [ "NamespaceLifecycle" "ServiceAccount" "NodeRestriction" ] "Admission plugins.";
      extraSANs = strings [ ] "More names in the certificate.";
      etcd.servers = strings [ "https://127.0.0.1:2379" ] "The etcd servers.";
      etcd.caFile = maybe types.path "The authority of the etcd servers.";
      etcd.certFile = maybe types.path "The certificate for etcd.";
      etcd.keyFile = maybe types.path "Its key.";
      preferredAddressTypes = maybe types.str "By which addresses nodes are reached.";
      kubeletClientCaFile = maybe types.path "The authority of kubelets.";
      kubeletClientCertFile = maybe types.path "The certificate for kubelets.";
      kubeletClientKeyFile = maybe types.path "Its key.";
      proxyClientCertFile = maybe types.path "The certificate for other API servers.";
      proxyClientKeyFile = maybe types.path "Its key.";
      serviceAccountKeyFile = maybe types.path "What tokens of service accounts are checked with.";
      serviceAccountSigningKeyFile = maybe types.path "What they are signed with.";
      clientCaFile = maybe types.path "The authority of clients.";
      tlsCertFile = maybe types.path "The certificate.";
      tlsKeyFile = maybe types.path "Its key.";
    };
    controllerManager = component "Kubernetes controller manager" {
      leaderElect = flag true "Whether a leader is elected.";
      allocateNodeCIDRs = flag true "Whether nodes get networks.";
      rootCaFile = maybe types.path "The authority that pods are told.";
      serviceAccountKeyFile = maybe types.path "What tokens of service accounts are signed with.";
      kubeconfig = client;
    };
    scheduler = component "Kubernetes scheduler" {
      leaderElect = flag true "Whether a leader is elected.";
      address = str "127.0.0.1" "The address to listen on.";
      port = port 10251 "The port.";
      kubeconfig = client;
    };
    proxy = component "Kubernetes proxy" {
      bindAddress = str "0.0.0.0" "The address to listen on.";
      kubeconfig = client;
    };
    kubelet = component "Kubernetes kubelet" {
      address = str "0.0.0.0" "The address to listen on.";
      port = port 10250 "The port.";
      hostname = mkOption {
        type = types.str;
        default = lib.toLower config.networking.fqdnOrHostName;
        description = "The node's name.";
      };
      nodeIp = maybe types.str "The node's address.";
      clientCaFile = maybe types.path "The authority of the kubelet's clients.";
      tlsCertFile = maybe types.path "The kubelet's certificate as a server.";
      tlsKeyFile = maybe types.path "Its key.";
      kubeconfig = {
        server = str cfg.kubeconfig.server "Where the kubelet finds the API server.";
        caFile = maybe types.path "The authority that signed the API server's certificate.";
        certFile = maybe types.path "The kubelet's certificate.";
        keyFile = maybe types.path "The key of the kubelet's certificate.";
      };
      clusterDns = mkOption {
        type = types.coercedTo types.str lib.singleton (types.listOf types.str);
        default = [ "10.1.0.254" ];
        description = "The cluster's name server.";
      };
      clusterDomain = str config.services.kubernetes.addons.dns.clusterDomain "The cluster's domain.";
      unschedulable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether pods stay away.";
      };
      containerRuntimeEndpoint = str "unix:///run/containerd/containerd.sock" "The container runtime.";
      seedDockerImages = mkOption {
        type = types.listOf types.package;
        default = [ ];
        description = "Images every node has.";
      };
      taints = mkOption {
        type = types.attrsOf types.attrs;
        default = { };
        description = "Taints.";
      };
      extraConfig = mkOption {
        type = types.attrsOf types.anything;
        default = { };
        description = "More of the kubelet's configuration.";
      };
    };
    flannel.enable = mkEnableOption "flannel networking";
    pki = {
      enable = flag cfg.easyCerts "Whether certificates are made.";
      caCertPathPrefix = str "${cfg.secretsPath}/ca" "Where the authority is kept.";
    };
    addonManager.enable = mkEnableOption "Kubernetes addon manager";
    addonManager.bootstrapAddons = mkOption {
      type = types.attrsOf types.attrs;
      default = { };
      description = "What the administrator sets up at first.";
    };
    addonManager.addons = mkOption {
      type = types.attrsOf (types.either types.attrs (types.listOf types.attrs));
      default = { };
      description = "Objects that the cluster is given and keeps.";
    };
    addons.dns = {
      enable = mkEnableOption "Kubernetes DNS addon";
      clusterDomain = str "cluster.local" "The cluster's domain.";
      clusterIp = str "10.0.0.254" "The name server's address.";
      replicas = mkOption {
        type = types.int;
        default = 2;
        description = "How many name servers.";
      };
    };
  };

  options.services.etcd = {
    enable = mkEnableOption "etcd";
    package = lib.mkPackageOption pkgs "etcd" { };
    name = str config.networking.hostName "The member's name.";
    dataDir = mkOption {
      type = types.path;
      default = "/var/lib/etcd";
      description = "Where data is kept.";
    };
    listenClientUrls = strings [ "http://127.0.0.1:2379" ] "Where clients are listened to.";
    listenPeerUrls = strings [ "http://127.0.0.1:2380" ] "Where peers are listened to.";
    advertiseClientUrls = strings etcd.listenClientUrls "Where clients are told to go.";
    initialAdvertisePeerUrls = strings etcd.listenPeerUrls "Where peers are told to go.";
    initialCluster = strings [ "${config.networking.hostName}=http://127.0.0.1:2380" ] "The members.";
    initialClusterState = mkOption {
      type = types.enum [ "new" "existing" ];
      default = "new";
      description = "Whether the cluster is new.";
    };
    initialClusterToken = str "etcd-cluster" "The cluster's token.";
    certFile = maybe types.path "The certificate.";
    keyFile = maybe types.path "Its key.";
    trustedCaFile = maybe types.path "The authority.";
    clientCertAuth = flag false "Whether clients need a certificate.";
    peerClientCertAuth = flag false "Whether members need a certificate.";
    openFirewall = flag false "Whether the ports are opened.";
    extraConf = mkOption {
      type = types.attrsOf types.str;
      default = { };
      description = "More ETCD_ variables.";
    };
  };

  options.services.flannel.kubeconfig = maybe types.path "How flannel reaches the API server.";
  options.services.flannel.iface = maybe types.str "The interface that packets between nodes take.";
  options.services.flannel.network = str "10.1.0.0/16" "The network of all pods.";
  options.services.flannel.subnetLen = mkOption {
    type = types.int;
    default = 24;
    description = "The size of the network of each node.";
  };
  options.services.flannel.backend = mkOption {
    type = types.attrs;
    default.Type = "vxlan";
    description = "How packets between nodes travel.";
  };

  config = lib.mkMerge [
    (mkIf master {
      services.kubernetes = {
        apiserver.enable = mkDefault true;
        scheduler.enable = mkDefault true;
        controllerManager.enable = mkDefault true;
        addonManager.enable = mkDefault true;
        proxy.enable = mkDefault true;
        # A master that is no node keeps pods away.
        kubelet.unschedulable = mkDefault (!node);
        kubelet.enable = mkDefault true;
        addons.dns.enable = mkDefault true;
      };
      services.etcd.enable = true;
    })
    (mkIf cfg.easyCerts { services.kubernetes.caFile = secret "ca"; })
    (mkIf node {
      services.kubernetes = {
        kubelet.enable = mkDefault true;
        proxy.enable = mkDefault true;
      };
    })
    (mkIf (cfg.roles != [ ]) {
      services.kubernetes.flannel.enable = mkDefault true;
      services.kubernetes.easyCerts = mkDefault true;
      environment.systemPackages = [ pkgs.kubectl ];
      boot.kernel.sysctl."net.ipv4.ip_forward" = mkDefault 1;
      boot.kernelModules = [ "br_netfilter" "overlay" ];
      systemd.targets.kubernetes.description = "Kubernetes";
      systemd.tmpfiles.rules = [ "d ${cfg.dataDir} 0755 root root -" ];
    })
    (mkIf cfg.apiserver.enable {
      networking.firewall.allowedTCPPorts = mkIf master [ cfg.apiserver.securePort ];
      systemd.services.kube-apiserver = daemon "APIServer" "kube-apiserver" ([
        "--advertise-address=${toString cfg.apiserver.advertiseAddress}"
        "--allow-privileged=${lib.boolToString cfg.apiserver.allowPrivileged}"
        "--authorization-mode=${lib.concatStringsSep "," cfg.apiserver.authorizationMode}"
        "--bind-address=${cfg.apiserver.bindAddress}"
        "--enable-admission-plugins=${lib.concatStringsSep "," cfg.apiserver.enableAdmissionPlugins}"
        "--etcd-servers=${lib.concatStringsSep "," cfg.apiserver.etcd.servers}"
        "--secure-port=${toString cfg.apiserver.securePort}"
        "--service-cluster-ip-range=${cfg.apiserver.serviceClusterIpRange}"
        (lib.optionalString (cfg.caFile != null) "--client-ca-file=${cfg.caFile}")
        cfg.apiserver.extraOpts
      ] ++ files {
        etcd-cafile = cfg.apiserver.etcd.caFile;
        etcd-certfile = cfg.apiserver.etcd.certFile;
        etcd-keyfile = cfg.apiserver.etcd.keyFile;
        kubelet-certificate-authority = cfg.apiserver.kubeletClientCaFile;
        kubelet-client-certificate = cfg.apiserver.kubeletClientCertFile;
        kubelet-client-key = cfg.apiserver.kubeletClientKeyFile;
        kubelet-preferred-address-types = cfg.apiserver.preferredAddressTypes;
        proxy-client-cert-file = cfg.apiserver.proxyClientCertFile;
        proxy-client-key-file = cfg.apiserver.proxyClientKeyFile;
        service-account-key-file = cfg.apiserver.serviceAccountKeyFile;
        service-account-signing-key-file = cfg.apiserver.serviceAccountSigningKeyFile;
        tls-cert-file = cfg.apiserver.tlsCertFile;
        tls-private-key-file = cfg.apiserver.tlsKeyFile;
      });
    })
    (mkIf cfg.controllerManager.enable {
      systemd.services.kube-controller-manager = daemon "Controller Manager" "kube-controller-manager" [
        "--cluster-cidr=${toString cfg.clusterCidr}"
        "--leader-elect=${lib.boolToString cfg.controllerManager.leaderElect}"
        "--master=${cfg.apiserverAddress}"
        cfg.controllerManager.extraOpts
        (own "kube-controller-manager" cfg.controllerManager.kubeconfig)
      ];
    })
    (mkIf cfg.scheduler.enable {
      systemd.services.kube-scheduler = daemon "Scheduler" "kube-scheduler" [
        "--leader-elect=${lib.boolToString cfg.scheduler.leaderElect}"
        "--master=${cfg.apiserverAddress}"
        cfg.scheduler.extraOpts
        (own "kube-scheduler" cfg.scheduler.kubeconfig)
      ];
    })
    (mkIf cfg.proxy.enable {
      systemd.services.kube-proxy = daemon "Proxy" "kube-proxy" [
        "--cluster-cidr=${toString cfg.clusterCidr}"
        "--master=${cfg.apiserverAddress}"
        cfg.proxy.extraOpts
        (own "kube-proxy" cfg.proxy.kubeconfig)
      ];
    })
    (mkIf cfg.kubelet.enable {
      networking.firewall.allowedTCPPorts = [ cfg.kubelet.port ];
      environment.etc."kubernetes/kubeconfig".text = builtins.toJSON {
        apiVersion = "v1";
        kind = "Config";
        clusters = [
          {
            name = "local";
            cluster.server = kubeconfig.server;
            cluster.certificate-authority = if kubeconfig.caFile != null then kubeconfig.caFile else cfg.caFile;
          }
        ];
        users = [
          {
            name = "kubelet";
            user.client-certificate = kubeconfig.certFile;
            user.client-key = kubeconfig.keyFile;
          }
        ];
      };
      systemd.services.kubelet = daemon "Kubelet" "kubelet" ([
        "--address=${cfg.kubelet.address}"
        "--hostname-override=${cfg.kubelet.hostname}"
        "--kubeconfig=/etc/kubernetes/kubeconfig"
        "--port=${toString cfg.kubelet.port}"
        "--register-with-taints=${
          lib.concatStringsSep "," (
            lib.optional cfg.kubelet.unschedulable "unschedulable=true:NoSchedule"
            ++ lib.mapAttrsToList (_: t: "${t.key}=${t.value}:${t.effect}") cfg.kubelet.taints
          )
        }"
        "--cluster-dns=${lib.concatStringsSep "," cfg.kubelet.clusterDns}"
        "--cluster-domain=${cfg.kubelet.clusterDomain}"
        (lib.optionalString (cfg.kubelet.nodeIp != null) "--node-ip=${cfg.kubelet.nodeIp}")
        cfg.kubelet.extraOpts
      ] ++ files {
        client-ca-file = cfg.kubelet.clientCaFile;
        tls-cert-file = cfg.kubelet.tlsCertFile;
        tls-private-key-file = cfg.kubelet.tlsKeyFile;
      });
    })
    (mkIf cfg.flannel.enable {
      networking.firewall.allowedUDPPorts = [ 8285 8472 ];
      environment.etc."kube-flannel/net-conf.json".source = pkgs.writeText "net-conf.json" (builtins.toJSON {
        Network = config.services.flannel.network;
        SubnetLen = config.services.flannel.subnetLen;
        Backend = config.services.flannel.backend;
      });
      systemd.services.flannel = {
        description = "Flannel Service";
        wantedBy = [ "multi-user.target" ];
        serviceConfig.ExecStart = "${pkgs.flannel}/bin/flannel --kube-subnet-mgr --net=${toString cfg.clusterCidr}${
          lib.optionalString (config.services.flannel.kubeconfig != null) " --kubeconfig-file=${config.services.flannel.kubeconfig}"
          + lib.optionalString (config.services.flannel.iface != null) " --iface=${config.services.flannel.iface}"
        }";
      };
    })
    (mkIf cfg.addonManager.enable {
      environment.etc = lib.mapAttrs' (name: object: {
        name = "kubernetes/addons/${name}.json";
        value.text = builtins.toJSON object;
      }) cfg.addonManager.addons;
    })
    (mkIf (cfg.addons.dns.enable && cfg.addonManager.enable) {
      environment.etc."kubernetes/addons/coredns.json".text = builtins.toJSON {
        kind = "Deployment";
        metadata.name = "coredns";
        spec = {
          inherit (cfg.addons.dns) replicas clusterIp clusterDomain;
        };
      };
    })
    (mkIf etcd.enable {
      networking.firewall.allowedTCPPorts = mkIf etcd.openFirewall [ 2379 2380 ];
      environment.systemPackages = [ etcd.package ];
      systemd.tmpfiles.rules = [ "d ${etcd.dataDir} 0700 root root -" ];
      systemd.services.etcd = {
        description = "etcd key-value store";
        wantedBy = [ "multi-user.target" ];
        environment = {
          ETCD_NAME = etcd.name;
          ETCD_DATA_DIR = etcd.dataDir;
          ETCD_LISTEN_CLIENT_URLS = lib.concatStringsSep "," etcd.listenClientUrls;
          ETCD_LISTEN_PEER_URLS = lib.concatStringsSep "," etcd.listenPeerUrls;
          ETCD_ADVERTISE_CLIENT_URLS = lib.concatStringsSep "," etcd.advertiseClientUrls;
          ETCD_INITIAL_ADVERTISE_PEER_URLS = lib.concatStringsSep "," etcd.initialAdvertisePeerUrls;
          ETCD_INITIAL_CLUSTER = lib.concatStringsSep "," etcd.initialCluster;
          ETCD_INITIAL_CLUSTER_STATE = etcd.initialClusterState;
          ETCD_INITIAL_CLUSTER_TOKEN = etcd.initialClusterToken;
          ETCD_CERT_FILE = etcd.certFile;
          ETCD_KEY_FILE = etcd.keyFile;
          ETCD_TRUSTED_CA_FILE = etcd.trustedCaFile;
        }
        // lib.mapAttrs' (name: lib.nameValuePair "ETCD_${name}") etcd.extraConf;
        serviceConfig.ExecStart = "${etcd.package}/bin/etcd";
      };
    })
    {
      assertions = [
        {
          assertion = cfg.roles == [ ] || cfg.masterAddress != "";
          message = "services.kubernetes.masterAddress must be set.";
        }
      ];
    }
  ];
}
