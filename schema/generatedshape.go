// Code generated from schema.cue by go test ./schema -run Shape -update. DO NOT EDIT.

package schema

import "cuelang.org/go/cue"

// generatedShape is the shape of #Inventory. What several fields have in common is one shape.
func generatedShape() *shape {
	s1 := &shape{
		want: "a hash such as sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		doc:  "The hash of that commit's tree, as nix-prefetch-url --unpack gives it.",
		leaf: onFirstUse("^(sha256-[A-Za-z0-9+/]{43}=|sha512-[A-Za-z0-9+/]{86}==|(sha256:)?[0-9a-df-np-sv-z]{52}|(sha256:)?[0-9a-f]{64})$"),
	}
	s2 := &shape{
		want: "a list of patch files",
		doc:  "Patches of that tree, relative to this file or absolute. The patched tree is\nbuilt during evaluation, with the tree's own applyPatches.",
		like: []string{"patch"},
		elem: &shape{
			want: "the path of a patch file",
			leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
		},
	}
	s3 := &shape{
		want: "an attribute such as nixosModules.default",
		doc:  "The attribute of the flake.",
		like: []string{"attr"},
		leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_'-]*(\\.[A-Za-z0-9_][A-Za-z0-9_'-]*)*$"),
	}
	s4 := &shape{
		want:  "the path of a Nix file, or {\"$input\": …, module: …}",
		strct: true,
		leaf:  onFirstUse("^[^\\x00-\\x1f]+$"),
		order: []string{"$input", "module", "path"},
		fields: map[string]*shape{
			"$input": &shape{
				want:     "the name of an input",
				doc:      "The input.",
				required: true,
				leaf:     onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
			},
			"module": s3,
			"path": &shape{
				want: "the path of a file in the input",
				doc:  "The file in its tree.",
				leaf: onFirstUse("^[A-Za-z0-9_.+-]+(/[A-Za-z0-9_.+-]+)*$"),
			},
		},
	}
	s5 := &shape{
		want: "a list of Nix files and modules of inputs",
		doc:  "Nix files, and modules of inputs. Paths are absolute or relative to the\ninventory file.",
		like: []string{"modules", "module", "files"},
		elem: s4,
	}
	s6 := &shape{
		want:  "an attribute set of NixOS options",
		doc:   "NixOS options as data, with the names of NixOS. Markers express values\nthat are more than data: $path, $pkg, $secret, $expr, $str, $force …",
		like:  []string{"settings", "options", "configuration"},
		open:  true,
		strct: true,
	}
	s7 := &shape{
		want:  "an attribute set with one of path, rev, input and unpinned",
		doc:   "Another NixOS than the fleet's, for a role or a host.",
		strct: true,
		order: []string{"input", "path", "rev", "hash", "url", "unpinned", "patches"},
		fields: map[string]*shape{
			"input": &shape{
				want: "the name of an input",
				doc:  "The name of an input.",
				leaf: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
			},
			"path": &shape{
				want: "the path of a directory",
				doc:  "A directory with a NixOS tree, relative to this file or absolute.",
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"rev": &shape{
				want: "a commit: 40 hexadecimal digits",
				doc:  "A commit of nixpkgs.",
				leaf: onFirstUse("^[0-9a-f]{40}$"),
			},
			"hash": s1,
			"url": &shape{
				want: "a URL",
				doc:  "The URL to fetch the commit from; GitHub's archive by default.",
				leaf: onFirstUse("^(https?|ftp|file)://[^ ]+$"),
			},
			"unpinned": &shape{
				want: "true",
				doc:  "true: use <nixpkgs> of the evaluating machine.",
				leaf: theBool(true),
			},
			"patches": s2,
		},
	}
	s8 := &shape{
		want: "a list of overlays",
		doc:  "Overlays of nixpkgs: files as $path, attributes of inputs as $input, Nix as\n$expr.",
		elem: &shape{
			want:  "an overlay: {\"$path\": …}, {\"$input\": …} or {\"$expr\": …}",
			open:  true,
			strct: true,
		},
	}
	s9 := &shape{
		want: "a port number, 1 to 65535",
		doc:  "The port of the SSH server; that of the SSH configuration by default.",
		like: []string{"sshport", "targetport"},
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}},
	}
	s10 := &shape{
		want:  "an attribute set of arguments by name",
		doc:   "More arguments of all NixOS modules, as data and markers. inputs is one\nalready.",
		like:  []string{"specialargs", "extraspecialargs", "args"},
		open:  true,
		strct: true,
	}
	s11 := &shape{
		want: "the key of a value such as database.password",
		doc:  "The value in it: words with dots between them. The whole file by default.",
		leaf: onFirstUse("^[^.\\x00-\\x1f]+(\\.[^.\\x00-\\x1f]+)*$"),
	}
	s12 := &shape{
		want:  "an attribute set with file and key",
		doc:   "A file encrypted with sops, or one value of it.",
		like:  []string{"sopsfile"},
		strct: true,
		order: []string{"file", "key"},
		fields: map[string]*shape{
			"file": &shape{
				want:     "the path of a file encrypted with sops",
				doc:      "The file.",
				required: true,
				leaf:     onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"key": s11,
		},
	}
	s13 := &shape{
		want: "a command as a list of words",
		doc:  "A command that prints it, run in the inventory's directory.",
		like: []string{"keycommand"},
		some: true,
		elem: &shape{
			want: "a word",
			leaf: onFirstUse("^[^\\x00]+$"),
		},
	}
	s14 := &shape{
		want: "the path of a file",
		doc:  "A file with the plain content, which must not be in the inventory's\nversion control.",
		like: []string{"path", "source"},
		leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
	}
	s15 := &shape{
		want:     "password, hex, ssh-ed25519, wireguard or x509",
		doc:      "Its kind: \"password\", \"hex\", \"ssh-ed25519\", \"wireguard\" or \"x509\".",
		required: true,
		leaf:     oneOf{theText("password"), theText("hex"), theText("ssh-ed25519"), theText("wireguard"), theText("x509")},
	}
	s16 := &shape{
		want: "a length, 8 to 1024",
		doc:  "The number of characters of a password (32 by default), or of bytes behind\nhexadecimal digits.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 8}}, bounded{cue.LessThanEqualOp, 1024}},
	}
	s17 := &shape{
		want: "a number of days, 1 to 36500",
		doc:  "How many days a certificate is valid; 365 by default.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 36500}},
	}
	s18 := &shape{
		want: "the path of a file encrypted with age",
		doc:  "A file encrypted with age that has the key and certificate of the authority\nthat signs it; muster secrets generate makes it if there is none. No host gets\nit. By default a certificate is signed by itself.",
		leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
	}
	s19 := &shape{
		want:  "an attribute set with kind",
		doc:   "What muster secrets generate makes, once, for the file of age.",
		strct: true,
		order: []string{"kind", "length", "common_name", "organization", "names", "days", "authority"},
		fields: map[string]*shape{
			"kind":   s15,
			"length": s16,
			"common_name": &shape{
				want: "a name",
				doc:  "What a certificate is of, its common name; the first of names by default.",
				like: []string{"cn", "commonname"},
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"organization": &shape{
				want: "a name",
				doc:  "The organization of a certificate's subject, which Kubernetes takes for a group.",
				like: []string{"o", "org", "group"},
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"names": &shape{
				want: "a list of names",
				doc:  "What a certificate is for: DNS names and addresses.",
				elem: &shape{
					want: "a DNS name or an address",
					leaf: onFirstUse("^[A-Za-z0-9*:][A-Za-z0-9.:_-]*$"),
				},
			},
			"days":      s17,
			"authority": s18,
		},
	}
	s20 := &shape{
		want: "an absolute path without spaces",
		doc:  "Where a link to it is made; it is in /run/muster-secrets by its name.",
		like: []string{"destination", "dest", "target", "destdir"},
		leaf: onFirstUse("^/([^/\\x00-\\x1f ]+/)*[^/\\x00-\\x1f ]+$"),
	}
	s21 := &shape{
		want: "a list of units",
		doc:  "Units to restart when it has changed.",
		like: []string{"restartunits"},
		elem: &shape{
			want: "a unit such as nginx.service",
			leaf: onFirstUse("^[A-Za-z0-9:_.@-]+\\.(service|socket|timer|target|mount|path|slice)$"),
		},
	}
	s22 := &shape{
		want: "a list of units",
		doc:  "Units to reload when it has changed.",
		like: []string{"reloadunits"},
		elem: &shape{
			want: "a unit such as nginx.service",
			leaf: onFirstUse("^[A-Za-z0-9:_.@-]+\\.(service|socket|timer|target|mount|path|slice)$"),
		},
	}
	s23 := &shape{
		want:  "an attribute set",
		strct: true,
		order: []string{"age", "sops", "command", "file", "env", "template", "generate", "owner", "group", "mode", "path", "restart", "reload", "volatile", "keep"},
		fields: map[string]*shape{
			"age": &shape{
				want: "the path of a file encrypted with age",
				doc:  "A file encrypted with age.",
				like: []string{"agefile", "keyfile"},
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"sops":    s12,
			"command": s13,
			"file":    s14,
			"env": &shape{
				want: "the name of an environment variable",
				doc:  "An environment variable of muster.",
				leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_]*$"),
			},
			"template": &shape{
				want: "a text with {{NAME}} for other secrets",
				doc:  "A text in which {{NAME}} stands for other secrets of the host, without the\nnewlines at their ends.",
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"generate": s19,
			"owner": &shape{
				want: "a user name",
				doc:  "Its owner; root by default.",
				like: []string{"user"},
				leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
			},
			"group": &shape{
				want: "a group name",
				doc:  "Its group; root by default.",
				leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
			},
			"mode": &shape{
				want: "permissions in octal such as \"0440\"",
				doc:  "Its permissions; 0400 by default.",
				like: []string{"permissions"},
				leaf: onFirstUse("^0?[0-7]{3}$"),
			},
			"path":    s20,
			"restart": s21,
			"reload":  s22,
			"volatile": &shape{
				want: "true or false",
				doc:  "Whether it is kept in memory only: after a restart it is gone until muster\nsends it again.",
				leaf: ofKind(cue.BoolKind),
			},
			"keep": &shape{
				want: "true or false",
				doc:  "Whether a rollback brings back the content of that generation, which the\nhost then keeps.",
				leaf: ofKind(cue.BoolKind),
			},
		},
	}
	s24 := &shape{
		want:   "an attribute set of secrets by name",
		names:  "letters, digits, '.', '-' and '_', beginning with a letter or digit, at most 64",
		doc:    "Secrets, by name. They reach the host over its connection and never the\nstore. A secret of a host replaces that of its roles and of the defaults.",
		like:   []string{"keys", "secret"},
		strct:  true,
		nameOK: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
		entry:  s23,
	}
	s25 := &shape{
		want: "true or false",
		doc:  "true: a host without an address is reached by its name, which the SSH\nconfiguration or the network knows.",
		like: []string{"byname"},
		leaf: ofKind(cue.BoolKind),
	}
	s26 := &shape{
		want: "a port number, 1 to 65535",
		doc:  "The port of the SSH server, where port is not given.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}},
	}
	s27 := &shape{
		want: "true or false",
		doc:  "true: where neither user nor the SSH configuration names a user, log in as the\nuser who runs muster, as ssh does; by default as root.",
		like: []string{"localuser"},
		leaf: ofKind(cue.BoolKind),
	}
	s28 := &shape{
		want: "builtin or openssh",
		doc:  "What makes the connection: \"builtin\", muster itself, or \"openssh\", the ssh of the\nmachine that muster runs on, for what only it can.",
		like: []string{"client", "via"},
		leaf: oneOf{theText("builtin"), theText("openssh")},
	}
	s29 := &shape{
		want:  "strict, or {accept_new: \"the reason\"}",
		doc:   "Which host keys are accepted: \"strict\" takes only known ones, whatever the SSH\nconfiguration says; {accept_new: \"why\"} also takes the first one of a host that\nnone is known of, and keeps it. Without it, the SSH configuration decides.",
		like:  []string{"stricthostkeychecking", "hostkeychecking"},
		strct: true,
		leaf:  theText("strict"),
		order: []string{"accept_new"},
		fields: map[string]*shape{
			"accept_new": &shape{
				want:     "the reason, as text",
				doc:      "Why that is safe here.",
				required: true,
				leaf:     onFirstUse("^[^\\x00]*[^\\s\\x00][^\\x00]*$"),
			},
		},
	}
	s30 := &shape{
		want: "a duration of whole seconds such as 30s or 5m",
		doc:  "The time after which an idle connection is probed; three probes without an answer\nend it. 15s by default.",
		like: []string{"serveraliveinterval", "keepalive"},
		leaf: onFirstUse("^([0-9]+(s|m|h))+$"),
	}
	s31 := &shape{
		want: "a number of probes, 1 to 1000",
		doc:  "The number of probes without an answer that end a connection.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 1000}},
	}
	s32 := &shape{
		want:  "an attribute set such as {IdentityFile: \"~/.ssh/deploy\"}",
		doc:   "Other options of ssh_config(5), by their names there.",
		like:  []string{"extraoptions", "sshopts"},
		strct: true,
		order: []string{"IdentityFile", "CertificateFile", "IdentitiesOnly", "IdentityAgent", "HostKeyAlias", "HostKeyAlgorithms", "UserKnownHostsFile", "GlobalKnownHostsFile", "HashKnownHosts", "ProxyCommand", "ServerAliveCountMax"},
		fields: map[string]*shape{
			"IdentityFile": &shape{
				want: "the path of a key",
				doc:  "The key to log in with.",
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"CertificateFile": &shape{
				want: "the path of a certificate",
				doc:  "The certificate to log in with.",
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"IdentitiesOnly": &shape{
				want: "true or false",
				doc:  "Whether only the keys of IdentityFile are offered.",
				leaf: ofKind(cue.BoolKind),
			},
			"IdentityAgent": &shape{
				want: "the path of a socket, or none",
				doc:  "The socket of the SSH agent, or none.",
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"HostKeyAlias": &shape{
				want: "a name without spaces",
				doc:  "The name under which known_hosts has the host.",
				leaf: onFirstUse("^[!-~]+$"),
			},
			"HostKeyAlgorithms": &shape{
				want: "a list of algorithms with commas",
				doc:  "The algorithms of host keys that are accepted.",
				leaf: onFirstUse("^[!-~]+$"),
			},
			"UserKnownHostsFile": &shape{
				want: "the path of a file",
				doc:  "The file of known host keys.",
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"GlobalKnownHostsFile": &shape{
				want: "the path of a file",
				doc:  "The file of known host keys of this machine.",
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"HashKnownHosts": &shape{
				want: "true or false",
				doc:  "Whether names are hashed in known_hosts.",
				leaf: ofKind(cue.BoolKind),
			},
			"ProxyCommand": &shape{
				want: "a command line",
				doc:  "The command whose input and output are the connection.",
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"ServerAliveCountMax": s31,
		},
	}
	s33 := &shape{
		want:  "an attribute set such as {keep_alive: \"30s\"}",
		doc:   "How SSH connections are made, where that is not as the SSH configuration says. A\nfield of a host goes before that of its roles, and theirs before the defaults'.",
		like:  []string{"sshoptions", "sshopts", "connection"},
		strct: true,
		order: []string{"alias", "port", "user", "own_user", "agent_forwarding", "address_family", "transport", "host_key_policy", "keep_alive", "options"},
		fields: map[string]*shape{
			"alias": s25,
			"port":  s26,
			"user": &shape{
				want: "a user name",
				doc:  "The user to log in as, where user is not given.",
				like: []string{"login"},
				leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
			},
			"own_user": s27,
			"agent_forwarding": &shape{
				want: "true or false",
				doc:  "Whether programs on the host may use the keys of the SSH agent here.",
				like: []string{"forwardagent", "agent"},
				leaf: ofKind(cue.BoolKind),
			},
			"address_family": &shape{
				want: "any, inet or inet6",
				doc:  "The family of addresses that names are resolved to.",
				like: []string{"family"},
				leaf: oneOf{theText("any"), theText("inet"), theText("inet6")},
			},
			"transport":       s28,
			"host_key_policy": s29,
			"keep_alive":      s30,
			"options":         s32,
		},
	}
	s34 := &shape{
		want: "hetzner, aws, gcp, azure, digitalocean, libvirt, custom or none",
		doc:  "The cloud that it is made in; custom for any other resource, with resource and\noutputs; none for a machine that is there.",
		like: []string{"targetenv", "cloud", "provider", "env", "kind", "type"},
		leaf: oneOf{theText("hetzner"), theText("aws"), theText("gcp"), theText("azure"), theText("digitalocean"), theText("libvirt"), theText("custom"), theText("none")},
	}
	s35 := &shape{
		want: "a size such as cx22 or t3.small",
		doc:  "Its size, by the cloud's own name; for libvirt processors and memory, as 2x4G.",
		like: []string{"servertype", "instancetype", "machinetype", "flavor", "flavour", "vmsize", "plan"},
		leaf: onFirstUse("^[^\\x00]+$"),
	}
	s36 := &shape{
		want: "a region or zone such as fsn1 or eu-central-1a",
		doc:  "Where it is: a location, a region or (aws, gcp) a zone.",
		like: []string{"location", "zone", "availabilityzone", "datacenter"},
		leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9 -]*$"),
	}
	s37 := &shape{
		want: "an image such as debian-12",
		doc:  "What it boots at first: a name or id of the cloud's; for libvirt the file or URL of\nan image.",
		like: []string{"ami", "os", "sourceimage"},
		leaf: onFirstUse("^[^\\x00]+$"),
	}
	s38 := &shape{
		want: "a number of GB, 1 to 65536",
		doc:  "The size of its disk in GB, where the cloud lets one choose.",
		like: []string{"disksize", "rootsize", "volumesize"},
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65536}},
	}
	s39 := &shape{
		want: "the name or id of a network",
		doc:  "The network that it is in: (aws, azure) the id of a subnet, (gcp, libvirt) the name\nof a network, (gcp) regions/REGION/subnetworks/NAME, (digitalocean) the id of a VPC;\nor an expression such as ${aws_subnet.main.id} of a .tf file of your own.",
		like: []string{"subnet", "vpc"},
		leaf: onFirstUse("^[^\\x00]+$"),
	}
	s40 := &shape{
		want: "a list of SSH public keys",
		doc:  "SSH public keys that may log in at first.",
		like: []string{"sshkey", "keys", "authorizedkeys", "publickeys"},
		elem: &shape{
			want: "a public key such as ssh-ed25519 AAAA…",
			leaf: onFirstUse("^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+) [A-Za-z0-9+/]{16,}={0,2}( .*)?$"),
		},
	}
	s41 := &shape{
		want: "text for cloud-init",
		doc:  "What cloud-init gets. It is in the program's state, and so holds no secret.",
		like: []string{"cloudinit", "userdata", "customdata"},
		leaf: onFirstUse("^[^\\x00]+$"),
	}
	s42 := &shape{
		want:  "an attribute set of arguments of the resource",
		doc:   "More arguments of its resource, by the provider's own names. Texts are expressions\nof the program, as in \"${hcloud_network.main.id}\". They replace what muster says.",
		like:  []string{"extra", "options", "attributes"},
		open:  true,
		strct: true,
	}
	s43 := &shape{
		want: "an attribute such as disks",
		doc:  "Its disks: a list of devices, or an attribute set of devices by name. Those of the\nhost's disks that have no device get them.",
		leaf: onFirstUse("^[^\\x00]+$"),
	}
	s44 := &shape{
		want:  "an attribute set such as {address: \"ipv4_address\"}",
		doc:   "custom: which attributes of the resource have what muster wants to know.",
		like:  []string{"output", "mapping"},
		strct: true,
		order: []string{"address", "id", "host_keys", "disks"},
		fields: map[string]*shape{
			"address": &shape{
				want:     "an attribute such as ipv4_address",
				doc:      "Its address; where it has none but that one.",
				required: true,
				like:     []string{"host", "ip", "ipv4"},
				leaf:     onFirstUse("^[^\\x00]+$"),
			},
			"id": &shape{
				want: "an attribute such as id",
				doc:  "Its id; \"id\" by default.",
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"host_keys": &shape{
				want: "an attribute such as host_key",
				doc:  "Its SSH host keys, one or a list.",
				like: []string{"hostkey"},
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"disks": s43,
		},
	}
	s45 := &shape{
		want: "a command as a list of words",
		doc:  "A command that prints its console, on which cloud-init shows the SSH host keys. In\nit {id}, {address}, {name} and {region} stand for those of the machine.",
		like: []string{"consolelog", "serial"},
		some: true,
		elem: &shape{
			want: "a word",
			leaf: onFirstUse("^[^\\x00]+$"),
		},
	}
	s46 := &shape{
		want: "the name that the host had",
		doc:  "The name of the host when the machine was made, where the host has another one since.\nThe machine keeps that name in the cloud and in the program's state.",
		like: []string{"renamed_from", "moved_from", "was", "formerly"},
		leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
	}
	s47 := &shape{
		want: "install, adopt, deploy or none",
		doc:  "What muster provision apply does with a new machine when it answers: install it,\nadopt it (read its hardware), deploy to it, or nothing. none by default.",
		like: []string{"next", "after"},
		leaf: oneOf{theText("install"), theText("adopt"), theText("deploy"), theText("none")},
	}
	s48 := &shape{
		want:  "an attribute set such as {target: \"hetzner\", size: \"cx22\"}",
		doc:   "The machine that OpenTofu or Terraform makes for the host. A field of a host goes\nbefore that of its roles, and theirs before the defaults'.",
		like:  []string{"targetenv", "terraform", "tofu", "machine"},
		strct: true,
		order: []string{"target", "size", "region", "image", "disk", "network", "group", "ssh_keys", "user_data", "arguments", "resource", "outputs", "console", "made_as", "then"},
		fields: map[string]*shape{
			"target":  s34,
			"size":    s35,
			"region":  s36,
			"image":   s37,
			"disk":    s38,
			"network": s39,
			"group": &shape{
				want: "the name of a group",
				doc:  "The resource group of azure, or the storage pool of libvirt.",
				like: []string{"resourcegroup", "pool"},
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"ssh_keys":  s40,
			"user_data": s41,
			"arguments": s42,
			"resource": &shape{
				want: "the type of a resource such as proxmox_vm_qemu",
				doc:  "custom: the type of its resource.",
				leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_-]{0,63}$"),
			},
			"outputs": s44,
			"console": s45,
			"made_as": s46,
			"then":    s47,
		},
	}
	s49 := &shape{
		want: "a time such as 04:00 or Sun 03:30",
		doc:  "When, as systemd's OnCalendar has it: \"04:00\", \"Sun 03:30\".",
		like: []string{"at", "when", "dates", "time", "schedule"},
		leaf: onFirstUse("^[A-Za-z0-9*:.,/~ -]{1,100}$"),
	}
	s50 := &shape{
		want: "a duration such as 30m",
		doc:  "The longest random delay after that time: \"30m\".",
		like: []string{"randomizeddelaysec", "splay", "jitter"},
		leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
	}
	s51 := &shape{
		want: "the URL of a git repository",
		doc:  "The URL of a git repository that has the fleet's network expression, as\nmuster compile writes it.",
		like: []string{"url", "repo", "repository"},
		leaf: onFirstUse("^[A-Za-z/][^ \\x00-\\x1f]*$"),
	}
	s52 := &shape{
		want: "the path of a Nix file in the repository",
		doc:  "The network expression in the repository; network.nix by default.",
		like: []string{"path", "network"},
		leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$"),
	}
	s53 := &shape{
		want: "a flake reference such as git+https://example.com/fleet",
		doc:  "The reference of a flake with nixosConfigurations, as muster compile\n--format flake writes it.",
		leaf: onFirstUse("^[A-Za-z][^ #\\x00-\\x1f]*$"),
	}
	s54 := &shape{
		want:  "an attribute set such as {every: \"04:00\", flake: \"git+https://…\"}",
		doc:   "Unattended upgrades to what the fleet has, in git or as a flake. That of a host\nreplaces that of its roles, and theirs that of the defaults.",
		like:  []string{"autoupgrade", "upgrades"},
		strct: true,
		order: []string{"every", "delay", "git", "ref", "file", "flake", "enable"},
		fields: map[string]*shape{
			"every": s49,
			"delay": s50,
			"git":   s51,
			"ref": &shape{
				want: "a branch or tag",
				doc:  "The branch or tag; main by default.",
				like: []string{"branch", "rev"},
				leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._/-]*$"),
			},
			"file":  s52,
			"flake": s53,
			"enable": &shape{
				want: "true or false",
				doc:  "false: no upgrades, where roles or defaults have them.",
				leaf: ofKind(cue.BoolKind),
			},
		},
	}
	s55 := &shape{
		want: "the URL of the store, such as https://releases.example.com",
		doc:  "The URL of the store: \"https://releases.example.com\", \"s3://fleet?endpoint=…\",\n\"ssh://store/srv/fleet\", \"file:///mnt/fleet\".",
		like: []string{"url", "store", "to"},
		leaf: onFirstUse("^[a-z0-9]+://[^ \\x00-\\x1f'\"]+$"),
	}
	s56 := &shape{
		want: "the public key that muster publish --make-key prints, NAME:BASE64",
		doc:  "The public key that muster publish --make-key prints. While the fleet changes to\nanother, both, with a space between them.",
		like: []string{"publickey", "keys"},
		leaf: onFirstUse("^[^ :]+:[A-Za-z0-9+/=]+( [^ :]+:[A-Za-z0-9+/=]+)*$"),
	}
	s57 := &shape{
		want: "the URL that takes reports, such as https://reports.example.com/muster",
		doc:  "The URL that reports are posted to, instead of going into the store.",
		like: []string{"hook", "webhook", "reports", "report_to"},
		leaf: onFirstUse("^https?://[^ \\x00-\\x1f'\"]+$"),
	}
	s58 := &shape{
		want: "a time such as *:0/15 or 04:00",
		doc:  "When, as systemd's OnCalendar has it; every 15 minutes by default.",
		like: []string{"at", "when", "schedule"},
		leaf: onFirstUse("^[A-Za-z0-9*:.,/~ -]{1,100}$"),
	}
	s59 := &shape{
		want: "a duration such as 5m",
		doc:  "The longest random delay after that time; 5m by default.",
		like: []string{"delay", "randomizeddelaysec", "splay"},
		leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
	}
	s60 := &shape{
		want:  "an attribute set such as {from: \"https://…\", key: \"fleet-1:…\"}",
		doc:   "Releases that the host takes by itself from where muster publish puts them. That\nof a host replaces that of its roles, and theirs that of the defaults.",
		like:  []string{"agent", "publish", "release"},
		strct: true,
		order: []string{"from", "key", "report", "every", "jitter", "enable"},
		fields: map[string]*shape{
			"from":   s55,
			"key":    s56,
			"report": s57,
			"every":  s58,
			"jitter": s59,
			"enable": &shape{
				want: "true or false",
				doc:  "false: no pull, where roles or defaults have it.",
				leaf: ofKind(cue.BoolKind),
			},
		},
	}
	s61 := &shape{
		want: "a user name",
		doc:  "The user to log in as; that of the SSH configuration by default.",
		like: []string{"sshuser", "login", "targetuser"},
		leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
	}
	s62 := &shape{
		want: "a jump host: [user@]host[:port]",
		doc:  "The jump host: user@host:port, or the name of a host in the inventory.",
		like: []string{"proxyjump", "bastion", "gateway", "jumphost"},
		leaf: onFirstUse("^([A-Za-z_][A-Za-z0-9_.-]*@)?([A-Za-z0-9_.-]+|\\[[0-9A-Fa-f:.%]+\\])(:[0-9]{1,5})?$"),
	}
	s63 := &shape{
		want: "root, sudo, sudo-password, doas or run0",
		doc:  "How to become root: \"root\" logs in as root, \"sudo\" runs sudo without a\npassword, \"sudo-password\" asks for the password once, \"doas\" and \"run0\"\nrun those without a password. Another command that runs the words after it as\nroot is given with its arguments: [\"sudo\", \"-u\", \"root\"], \"runuser -u root --\".",
		like: []string{"sudo", "become", "privilegeescalation", "privilegeescalationcommand", "sshopts"},
		some: true,
		leaf: allOf{ofKind(cue.StringKind), oneOf{oneOf{theText("root"), theText("sudo"), theText("sudo-password"), theText("doas"), theText("run0")}, onFirstUse("^[A-Za-z0-9/_.+-]+( +[A-Za-z0-9/_.,:=@%+-]+)+$")}},
		elem: &shape{
			want: "a word of a command such as sudo -u root",
			leaf: onFirstUse("^[^\\x00]+$"),
		},
	}
	s64 := &shape{
		want: "true or false",
		doc:  "Whether muster deploys to the host without SSH where it runs on it, which it\ntells by the machine's name.",
		like: []string{"localhost", "allowlocaldeployment", "applylocal"},
		leaf: ofKind(cue.BoolKind),
	}
	s65 := &shape{
		want: "a system such as x86_64-linux or aarch64-linux",
		doc:  "The platform; x86_64-linux by default.",
		like: []string{"arch", "platform", "architecture", "hostplatform"},
		leaf: oneOf{theText("x86_64-linux"), theText("aarch64-linux"), theText("i686-linux"), theText("armv7l-linux"), theText("armv6l-linux"), theText("riscv64-linux"), theText("powerpc64le-linux"), theText("loongarch64-linux"), theText("x86_64-darwin"), theText("aarch64-darwin")},
	}
	s66 := &shape{
		want: "a list of roles",
		doc:  "The roles of the host: kubernetes-master, kubernetes-node,\nkubernetes-load-balancer, or roles of\nthe inventory.",
		elem: &shape{
			want: "the name of a role",
			leaf: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,62}$"),
		},
	}
	s67 := &shape{
		want: "a version such as \"1.33.5\"",
		doc:  "The version of Kubernetes on the host, where it is another than the cluster's.",
		like: []string{"kubernetes_version", "kubelet_version"},
		leaf: onFirstUse("^1\\.(0|[1-9][0-9]{0,2})(\\.(0|[1-9][0-9]{0,2}))?$"),
	}
	s68 := &shape{
		want:   "an attribute set of labels",
		names:  "letters, digits, '.', '-', '_' and '/'",
		doc:    "Labels: names with values.",
		strct:  true,
		nameOK: onFirstUse("^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?$"),
		entry: &shape{
			want: "letters, digits, '.', '-' and '_', at most 63",
			leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$"),
		},
	}
	s69 := &shape{
		want: "key=value:NoSchedule, or with PreferNoSchedule or NoExecute",
		leaf: onFirstUse("^[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?(=[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?:(NoSchedule|PreferNoSchedule|NoExecute)$"),
	}
	s70 := &shape{
		want:  "an attribute set with labels and taints",
		doc:   "What the Kubernetes cluster knows of it as a node.",
		strct: true,
		order: []string{"version", "labels", "taints"},
		fields: map[string]*shape{
			"version": s67,
			"labels":  s68,
			"taints": &shape{
				want: "a list of taints",
				doc:  "Taints, which keep pods away that do not tolerate them.",
				elem: s69,
			},
		},
	}
	s71 := &shape{
		want: "a list of tags",
		doc:  "Words to select hosts by, as in --on @web or --on '@\"rack 1\"'.",
		like: []string{"labels", "groups", "group"},
		elem: &shape{
			want: "a tag of printable characters without quotes",
			leaf: onFirstUse("^[^\\p{C}\\p{Z}@!\"]([^\\p{C}\\p{Zl}\\p{Zp}\"]{0,198}[^\\p{C}\\p{Z}\"])?$"),
		},
	}
	s72 := &shape{
		want: "required, best_effort or roaming",
		doc:  "What an unreachable host means: \"required\" fails the run, \"best_effort\"\nis only reported, \"roaming\" is not a failure.",
		leaf: oneOf{theText("required"), theText("best_effort"), theText("roaming")},
	}
	s73 := &shape{
		want: "new, any or ignore",
		doc:  "Which failed systemd units fail an activation, so that the host goes back:\nthose that had not failed before (\"new\"), all (\"any\"), or none (\"ignore\").",
		leaf: oneOf{theText("new"), theText("any"), theText("ignore")},
	}
	s74 := &shape{
		want:  "an attribute set such as {confirm: \"5m\"}",
		doc:   "Time limits of the host, in place of those of the command line.",
		like:  []string{"timeout", "activationtimeout", "confirmtimeout"},
		strct: true,
		order: []string{"activate", "confirm", "reboot"},
		fields: map[string]*shape{
			"activate": &shape{
				want: "a duration such as 10m",
				doc:  "For an activation.",
				like: []string{"activation"},
				leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
			},
			"confirm": &shape{
				want: "a duration such as 1m",
				doc:  "For a new connection after an activation.",
				like: []string{"confirmation"},
				leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
			},
			"reboot": &shape{
				want: "a duration such as 10m",
				doc:  "Until the host is back after a restart.",
				like: []string{"restart"},
				leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
			},
		},
	}
	s75 := &shape{
		want:  "{off: \"the reason\"}",
		doc:   "{off: \"why\"}: the host keeps a new system without being reached over a new\nconnection. By default it goes back to what it had unless that succeeds.",
		like:  []string{"magicrollback"},
		strct: true,
		order: []string{"off"},
		fields: map[string]*shape{
			"off": &shape{
				want:     "the reason, as text",
				doc:      "The reason, which muster plan shows.",
				required: true,
				leaf:     onFirstUse("^[^\\x00]*[^\\s\\x00][^\\x00]*$"),
			},
		},
	}
	s76 := &shape{
		want:  "{off: \"the reason\"}",
		doc:   "{off: \"why\"}: a host whose activation or health checks fail is left as it is. By\ndefault it goes back to what it had.",
		like:  []string{"autorollback"},
		strct: true,
		order: []string{"off"},
		fields: map[string]*shape{
			"off": &shape{
				want:     "the reason, as text",
				doc:      "The reason, which muster plan shows.",
				required: true,
				leaf:     onFirstUse("^[^\\x00]*[^\\s\\x00][^\\x00]*$"),
			},
		},
	}
	s77 := &shape{
		want: "true or false",
		doc:  "false: where the host runs a system that muster has not deployed, it is left alone\nunless --replace-foreign is given.",
		like: []string{"replaceunknownprofiles"},
		leaf: ofKind(cue.BoolKind),
	}
	s78 := &shape{
		want: "true or false",
		doc:  "false: the host is listed, evaluated and built, and never deployed: an installer, an\nimage.",
		like: []string{"deployable", "enabled"},
		leaf: ofKind(cue.BoolKind),
	}
	s79 := &shape{
		want: "local, target or the name of a host",
		doc:  "Where the system is built: where muster runs (\"local\"), on the host (\"target\"), or\non another host of the inventory, by its name.",
		like: []string{"buildontarget", "buildhost"},
		leaf: oneOf{theText("local"), theText("target"), onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$")},
	}
	s80 := &shape{
		want: "a system such as x86_64-linux",
		doc:  "The system that it is cross-built on, as nixpkgs.buildPlatform; by default it is\nbuilt on its own.",
		like: []string{"buildplatform", "cross_system", "crosssystem"},
		leaf: oneOf{theText("x86_64-linux"), theText("aarch64-linux"), theText("i686-linux"), theText("armv7l-linux"), theText("armv6l-linux"), theText("riscv64-linux"), theText("powerpc64le-linux"), theText("loongarch64-linux"), theText("x86_64-darwin"), theText("aarch64-darwin")},
	}
	s81 := &shape{
		want: "true or false",
		doc:  "Whether the host fetches what it can from its own binary caches.",
		like: []string{"substituters", "substituteondestination", "substituteontarget"},
		leaf: ofKind(cue.BoolKind),
	}
	s82 := &shape{
		want: "a number of bytes per second such as 500k or 10M",
		doc:  "The maximum of bytes per second sent to the host: 500k, 10M.",
		like: []string{"ratelimit", "bandwidth", "limithostrate"},
		leaf: oneOf{allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 2000000000}}, onFirstUse("^[1-9][0-9]*(\\.[0-9]+)?[kKMG]?$")},
	}
	s83 := &shape{
		want: "after or before",
		doc:  "When it is made: \"after\" an activation, or \"before\" it, so that a host that does not\npass is not touched.",
		leaf: oneOf{theText("after"), theText("before")},
	}
	s84 := &shape{
		want:   "an attribute set such as {Host: \"example.org\"}",
		names:  "the name of a header",
		doc:    "The headers of the request.",
		like:   []string{"header"},
		strct:  true,
		nameOK: onFirstUse("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"),
		entry: &shape{
			want: "text without line breaks",
			leaf: onFirstUse("^[^\\x00-\\x08\\x0a-\\x1f\\x7f]*$"),
		},
	}
	s85 := &shape{
		want: "an HTTP status such as 200",
		doc:  "The HTTP status of the answer; any below 400 by default.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 100}}, bounded{cue.LessThanEqualOp, 599}},
	}
	s86 := &shape{
		want: "a port, or host:port",
		doc:  "A port, or host:port, that must accept connections.",
		like: []string{"port"},
		leaf: oneOf{allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}}, onFirstUse("^[A-Za-z0-9_.:%\\[\\]-]*:[0-9]{1,5}$")},
	}
	s87 := &shape{
		want: "a number of tries",
		doc:  "The number of tries after the first; 5 by default.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 0}}, bounded{cue.LessThanEqualOp, 10000}},
	}
	s88 := &shape{
		want:  "a check: command, http, tcp or unit",
		strct: true,
		order: []string{"command", "http", "description", "when", "headers", "insecure", "status", "tcp", "unit", "from", "timeout", "retries", "interval"},
		fields: map[string]*shape{
			"command": &shape{
				want: "a command as a list of words",
				doc:  "A command that must succeed. It runs on the host as root.",
				some: true,
				elem: &shape{
					want: "a word",
					leaf: onFirstUse("^[^\\x00]+$"),
				},
			},
			"http": &shape{
				want: "a URL such as http://localhost/health",
				doc:  "A URL that must answer.",
				like: []string{"url", "https"},
				leaf: onFirstUse("^https?://"),
			},
			"description": &shape{
				want: "text",
				doc:  "What it shows, for messages.",
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"when":    s83,
			"headers": s84,
			"insecure": &shape{
				want: "true or false",
				doc:  "true: an HTTPS server may show any certificate.",
				like: []string{"insecureskipverify", "skipverify", "insecuressl"},
				leaf: ofKind(cue.BoolKind),
			},
			"status": s85,
			"tcp":    s86,
			"unit": &shape{
				want: "a unit such as nginx.service",
				doc:  "A systemd unit that must be active.",
				like: []string{"service", "systemd"},
				leaf: onFirstUse("^[^\\x00]+$"),
			},
			"from": &shape{
				want: "host or here",
				doc:  "Where http and tcp connect from: \"host\", or \"here\" for where muster runs.",
				leaf: oneOf{theText("host"), theText("here")},
			},
			"timeout": &shape{
				want: "a duration such as 30s or 5m",
				doc:  "The maximum time of one try; 10s by default.",
				leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
			},
			"retries": s87,
			"interval": &shape{
				want: "a duration such as 30s or 5m",
				doc:  "The time between tries; 2s by default.",
				leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
			},
		},
	}
	s89 := &shape{
		want: "a list of checks such as {unit: \"nginx.service\"}",
		doc:  "Health checks after an activation. If one fails, the host is rolled back.\nChecks of the host replace those of the defaults.",
		like: []string{"healthcheck", "healthchecks", "checks"},
		elem: s88,
	}
	s90 := &shape{
		want: "the path of a file encrypted with age",
		doc:  "A file encrypted with age, for the SSH host key. muster install makes the key\nbefore the machine has it. FILE.pub is the public key, which counts as one of\nhost_keys.",
		like: []string{"sshhostkey", "hostkeyfile"},
		leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
	}
	s91 := &shape{
		want: "true or false",
		doc:  "Whether NixOS takes the place of the Linux that runs, on its own file systems:\nwhat muster install --in-place needs where systemd is the first stage of a boot.",
		like: []string{"inplace", "infect", "lustrate"},
		leaf: ofKind(cue.BoolKind),
	}
	s92 := &shape{
		want: "a list of paths",
		doc:  "What stays of that Linux, besides its SSH host keys; all else goes to /old-root.",
		elem: &shape{
			want: "an absolute path without spaces",
			leaf: onFirstUse("^(/[A-Za-z0-9_@+.-]*[A-Za-z0-9_@+-][A-Za-z0-9_@+.-]*)+$"),
		},
	}
	s93 := &shape{
		want: "a hash such as sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		doc:  "The hash of what is fetched.",
		leaf: onFirstUse("^(sha256-[A-Za-z0-9+/]{43}=|sha256:[0-9a-df-np-sv-z]{52}|[0-9a-df-np-sv-z]{52}|(sha256:)?[0-9a-f]{64})$"),
	}
	s94 := &shape{
		want:  "an attribute set with path, or url and hash",
		doc:   "The installer that a machine with another Linux is changed into.",
		like:  []string{"image", "installer"},
		strct: true,
		order: []string{"path", "url", "hash"},
		fields: map[string]*shape{
			"path": &shape{
				want: "the path of a tar archive",
				doc:  "The archive.",
				like: []string{"file", "tarball"},
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"url": &shape{
				want: "a URL",
				doc:  "Where it is fetched from.",
				leaf: onFirstUse("^(https?|ftp|file)://[^ ]+$"),
			},
			"hash": s93,
		},
	}
	s95 := &shape{
		want: "an IPv4 or IPv6 address or a domain name",
		doc:  "Its address until NixOS runs on it; that of the host by default.",
		like: []string{"address"},
		leaf: allOf{ofKind(cue.StringKind), oneOf{onFirstUse("^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$"), onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")}},
	}
	s96 := &shape{
		want: "a port number, 1 to 65535",
		doc:  "The port of its SSH server until then; that of the host by default.",
		leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}},
	}
	s97 := &shape{
		want: "a public key such as ssh-ed25519 AAAA…",
		leaf: onFirstUse("^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh.com|sk-ecdsa-sha2-nistp256@openssh.com) [A-Za-z0-9+/]{16,}={0,2}( .*)?$"),
	}
	s98 := &shape{
		want:  "an attribute set such as {host_key: \"keys/web1.age\"}",
		doc:   "How muster install makes a NixOS machine of it.",
		strct: true,
		order: []string{"host_key", "disko", "in_place", "keep", "kexec", "host", "port", "user", "host_keys"},
		fields: map[string]*shape{
			"host_key": s90,
			"disko": &shape{
				want: "true or false",
				doc:  "Whether disko makes the disks: what the host's configuration says in\ndisko.devices, of those that its disks name by id.",
				leaf: ofKind(cue.BoolKind),
			},
			"in_place": s91,
			"keep":     s92,
			"kexec":    s94,
			"host":     s95,
			"port":     s96,
			"user": &shape{
				want: "a user name",
				doc:  "The user to log in as until then; that of the host by default.",
				leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
			},
			"host_keys": &shape{
				want: "a list of public keys",
				doc:  "Its SSH host keys until then; without any, known_hosts counts.",
				elem: s97,
			},
		},
	}
	return &shape{
		strct: true,
		order: []string{"network", "nixpkgs", "inputs", "lock", "impure", "kluster", "mesh", "defaults", "roles", "hosts", "meta", "builders", "build", "cache", "provision", "rollout", "secret_recipients", "$schema"},
		fields: map[string]*shape{
			"network": &shape{
				want:  "an attribute set with description and enable_rollback",
				doc:   "Metadata of the generated network expression.",
				strct: true,
				order: []string{"description", "enable_rollback"},
				fields: map[string]*shape{
					"description": &shape{
						want: "text",
						doc:  "A description of the fleet in one line.",
						leaf: ofKind(cue.StringKind),
					},
					"enable_rollback": &shape{
						want: "true or false",
						doc:  "Whether NixOps keeps the generations of the whole network.",
						leaf: ofKind(cue.BoolKind),
					},
				},
			},
			"nixpkgs": &shape{
				want:  "an attribute set with one of path, rev, input and unpinned",
				doc:   "The version of NixOS.",
				strct: true,
				order: []string{"input", "path", "rev", "hash", "url", "unpinned", "patches"},
				fields: map[string]*shape{
					"input": &shape{
						want: "the name of an input",
						doc:  "The name of an input.",
						leaf: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
					},
					"path": &shape{
						want: "the path of a directory",
						doc:  "A directory with a NixOS tree, relative to this file or absolute.",
						leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
					},
					"rev": &shape{
						want: "a commit: 40 hexadecimal digits",
						doc:  "A commit of nixpkgs.",
						leaf: onFirstUse("^[0-9a-f]{40}$"),
					},
					"hash": s1,
					"url": &shape{
						want: "a URL",
						doc:  "The URL to fetch the commit from; GitHub's archive by default.",
						leaf: onFirstUse("^(https?|ftp|file)://[^ ]+$"),
					},
					"unpinned": &shape{
						want: "true",
						doc:  "true: use <nixpkgs> of the evaluating machine.",
						leaf: theBool(true),
					},
					"patches": s2,
				},
			},
			"inputs": &shape{
				want:   "an attribute set of inputs by name",
				names:  "letters, digits, - and _, beginning with a letter",
				doc:    "What the fleet's modules come from beside nixpkgs, by name: flakes and other\ntrees. Modules get them as the argument inputs, with the fleet's directory\nas self.",
				strct:  true,
				nameOK: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
				entry: &shape{
					want:  "an attribute set",
					strct: true,
					order: []string{"github", "gitlab", "sourcehut", "git", "tarball", "file", "path", "host", "ref", "rev", "hash", "dir", "submodules", "flake", "follows"},
					fields: map[string]*shape{
						"github": &shape{
							want: "a repository such as NixOS/nixpkgs",
							doc:  "A repository on GitHub: OWNER/REPO.",
							leaf: onFirstUse("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$"),
						},
						"gitlab": &shape{
							want: "a repository such as group/project",
							doc:  "A repository on GitLab: OWNER/REPO.",
							leaf: onFirstUse("^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$"),
						},
						"sourcehut": &shape{
							want: "a repository such as ~user/project",
							doc:  "A repository on SourceHut: ~USER/REPO.",
							leaf: onFirstUse("^~[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$"),
						},
						"git": &shape{
							want: "a URL such as ssh://git@example.org/project",
							doc:  "Any Git repository.",
							leaf: onFirstUse("^(https?|ssh|git|file)://[^ \\x00-\\x1f]+$"),
						},
						"tarball": &shape{
							want: "the URL of an archive",
							doc:  "An archive.",
							like: []string{"url"},
							leaf: onFirstUse("^(https?|file)://[^ \\x00-\\x1f]+$"),
						},
						"file": &shape{
							want: "the URL of a file",
							doc:  "A single file.",
							leaf: onFirstUse("^(https?|file)://[^ \\x00-\\x1f]+$"),
						},
						"path": &shape{
							want: "the path of a directory",
							doc:  "A directory, relative to this file or absolute.",
							leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
						},
						"host": &shape{
							want: "a domain name such as gitlab.example.org",
							doc:  "The server of github, gitlab or sourcehut; the public one by default.",
							leaf: onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"),
						},
						"ref": &shape{
							want: "a branch or tag",
							doc:  "The branch or tag.",
							like: []string{"branch", "tag"},
							leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._/+-]*$"),
						},
						"rev": &shape{
							want: "a commit: 40 hexadecimal digits",
							doc:  "The commit.",
							like: []string{"commit", "revision"},
							leaf: onFirstUse("^[0-9a-f]{40}([0-9a-f]{24})?$"),
						},
						"hash": &shape{
							want: "a hash such as sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
							doc:  "The hash of its tree, as nix hash path gives it.",
							like: []string{"narhash", "sha256"},
							leaf: onFirstUse("^sha256-[A-Za-z0-9+/]{43}=$"),
						},
						"dir": &shape{
							want: "a directory of the input, such as nix/flake",
							doc:  "The directory of its flake.nix.",
							leaf: onFirstUse("^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$"),
						},
						"submodules": &shape{
							want: "true or false",
							doc:  "Whether the submodules of a Git repository belong to it.",
							leaf: ofKind(cue.BoolKind),
						},
						"flake": &shape{
							want: "true or false",
							doc:  "Whether it is a flake; true by default.",
							leaf: ofKind(cue.BoolKind),
						},
						"follows": &shape{
							want:   "an attribute set such as {nixpkgs: \"nixpkgs\"}",
							names:  "the name of one of its inputs",
							doc:    "Which inputs of the fleet take the place of its own inputs, by their names;\n\"\" for the fleet's directory, which cuts an input off.",
							like:   []string{"inputs", "overrides"},
							strct:  true,
							nameOK: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,63}$"),
							entry: &shape{
								want: "an attribute set",
								leaf: onFirstUse("^([A-Za-z][A-Za-z0-9_-]*(/[A-Za-z][A-Za-z0-9_-]*)*)?$"),
							},
						},
					},
				},
			},
			"lock": &shape{
				want: "the path of a lock file",
				doc:  "The lock file that pins inputs: muster.lock by default, a flake.lock, or the\nsources.json of npins or niv, or lon.lock.",
				like: []string{"lockfile", "flakelock"},
				leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
			},
			"impure": &shape{
				want: "true or false",
				doc:  "true: evaluation may read the environment, the time and any file, though\nnix.conf says pure-eval.",
				like: []string{"pure", "pureeval"},
				leaf: ofKind(cue.BoolKind),
			},
			"kluster": &shape{
				want:  "an attribute set with master",
				doc:   "The Kubernetes cluster the hosts form. Hosts without roles are its\nnodes.",
				like:  []string{"cluster", "kubernetes", "k8s"},
				strct: true,
				order: []string{"distribution", "master", "masters", "etcd", "api", "load_balancers", "rollout", "version", "token", "pki", "domain", "pod_cidr", "service_cidr", "pod_cidr6", "service_cidr6", "dns", "manifests", "mesh_cidr", "mesh"},
				fields: map[string]*shape{
					"distribution": &shape{
						want: "kubernetes, k3s or rke2",
						doc:  "What the cluster is made with: services.kubernetes, services.k3s or\nservices.rke2 of NixOS. kubernetes by default.",
						like: []string{"flavor", "flavour", "kind"},
						leaf: oneOf{theText("kubernetes"), theText("k3s"), theText("rke2")},
					},
					"master": &shape{
						want: "the name of a host",
						doc:  "The host with the control plane, where there is one.",
						leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
					},
					"masters": &shape{
						want: "a list of host names",
						doc:  "The hosts with the control plane, where there are several. The first one\nbegins the cluster.",
						like: []string{"control_planes", "controlplanes", "servers"},
						some: true,
						elem: &shape{
							want: "the name of a host",
							leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						},
					},
					"etcd": &shape{
						want: "a list of host names",
						doc:  "The members of etcd, an odd number of hosts; the masters by default. k3s: hosts of an\netcd of its own, whose certificates are in pki; [] where the configuration of the\nmasters names another datastore.",
						elem: &shape{
							want: "the name of a host",
							leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						},
					},
					"api": &shape{
						want:  "an attribute set with address",
						doc:   "Where the members and others reach the API, where that is not the first\nmaster's address.",
						like:  []string{"api_server", "endpoint", "vip"},
						strct: true,
						order: []string{"address", "port", "interface"},
						fields: map[string]*shape{
							"address": &shape{
								want:     "an IPv4 or IPv6 address or a domain name",
								doc:      "Its address: that of a load balancer, or one that load balancers share.",
								required: true,
								like:     []string{"host", "ip", "vip"},
								leaf:     allOf{ofKind(cue.StringKind), oneOf{onFirstUse("^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$"), onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")}},
							},
							"port": &shape{
								want: "a port number, 1 to 65535",
								doc:  "Its port, where load balancers have it; 6443 by default.",
								leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}},
							},
							"interface": &shape{
								want: "a network interface such as eth0",
								doc:  "The network interface on which several load balancers share the address.",
								like: []string{"device", "nic", "iface"},
								leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._@-]{0,14}$"),
							},
						},
					},
					"load_balancers": &shape{
						want: "a list of host names",
						doc:  "Hosts that hand requests to the API servers of all masters (HAProxy), and\nshare api.address if they are several (keepalived).",
						like: []string{"balancers", "loadbalancers", "proxies"},
						some: true,
						elem: &shape{
							want: "the name of a host",
							leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						},
					},
					"rollout": &shape{
						want:  "an attribute set such as {max_unavailable: 1}",
						doc:   "How hosts are taken out of the cluster while they are changed. With it, muster\ncordons and drains a node before it activates, changes masters one after the other\nwhile etcd keeps its quorum, and uncordons a node that is ready again.",
						like:  []string{"drain", "update_strategy", "upgrade"},
						strct: true,
						order: []string{"max_unavailable", "per_zone", "timeout", "drain"},
						fields: map[string]*shape{
							"max_unavailable": &shape{
								want: "a number of nodes, 1 or more",
								doc:  "How many nodes may be out of service at once, those that are not ready included; 1\nby default, any number with per_zone.",
								leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 1000000}},
							},
							"per_zone": &shape{
								want: "a number of nodes, 1 or more",
								doc:  "How many nodes with the same label topology.kubernetes.io/zone may be out of service\nat once.",
								like: []string{"zone", "max_unavailable_per_zone"},
								leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 1000000}},
							},
							"timeout": &shape{
								want: "a duration such as 30s or 5m",
								doc:  "How long a host may take to leave the cluster, and to be ready in it again; 10m by\ndefault.",
								leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
							},
							"drain": &shape{
								want:  "an attribute set such as {delete_local_data: true}",
								doc:   "How the pods of a node are moved elsewhere.",
								strct: true,
								order: []string{"off", "delete_local_data", "delete_unmanaged", "grace_period", "timeout"},
								fields: map[string]*shape{
									"off": &shape{
										want: "the reason, as text",
										doc:  "Why nodes are not drained, but only cordoned.",
										like: []string{"skip", "disable", "disabled"},
										leaf: onFirstUse("^[^\\x00]*[^\\s\\x00][^\\x00]*$"),
									},
									"delete_local_data": &shape{
										want: "true or false",
										doc:  "Whether pods with data in an emptyDir are evicted too: the data are lost.",
										like: []string{"delete_emptydir_data", "deleteemptydirdata", "deletelocaldata"},
										leaf: ofKind(cue.BoolKind),
									},
									"delete_unmanaged": &shape{
										want: "true or false",
										doc:  "Whether pods without a controller are evicted too: nothing starts them elsewhere.",
										like: []string{"force"},
										leaf: ofKind(cue.BoolKind),
									},
									"grace_period": &shape{
										want: "a duration such as 30s or 5m",
										doc:  "How long a pod has to end, in place of what the pod says.",
										like: []string{"graceperiod", "grace_period_seconds"},
										leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
									},
									"timeout": &shape{
										want: "a duration such as 30s or 5m",
										doc:  "How long all pods together have to be gone; 5m by default.",
										leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
									},
								},
							},
						},
					},
					"version": &shape{
						want: "a version such as \"1.34.1\"",
						doc:  "The version of Kubernetes, \"1.34\" or \"1.34.1\". That of the package which the hosts\nget must be it. A deployment that would skip a minor version, or make nodes newer than\ntheir masters, is refused.",
						like: []string{"kubernetes_version", "k8s_version", "release"},
						leaf: onFirstUse("^1\\.(0|[1-9][0-9]{0,2})(\\.(0|[1-9][0-9]{0,2}))?$"),
					},
					"token": &shape{
						want: "the name of a secret",
						doc:  "k3s and rke2: the name of the secret with which members join.",
						like: []string{"token_file", "tokenfile"},
						leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
					},
					"pki": &shape{
						want: "the path of a folder such as ./pki",
						doc:  "kubernetes: the folder of the cluster's certificates, where muster makes them.\nmuster secrets generate writes them there, encrypted. Several masters need it:\nthe certificates that NixOS makes by itself are for one. k3s: those of etcd, where\netcd names its members.",
						like: []string{"certificates", "certs"},
						leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
					},
					"domain": &shape{
						want: "a domain name such as cluster.local",
						doc:  "The cluster's domain; cluster.local by default.",
						like: []string{"cluster_domain", "dns_domain"},
						leaf: onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"),
					},
					"pod_cidr": &shape{
						want: "a network such as 10.1.0.0/16",
						doc:  "The network of the pods' addresses.",
						like: []string{"cluster_cidr", "pod_network", "pod_subnet", "clustercidr"},
						leaf: onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
					},
					"service_cidr": &shape{
						want: "a network such as 10.0.0.0/24",
						doc:  "The network of the services' addresses.",
						like: []string{"service_cluster_ip_range", "service_network", "service_subnet"},
						leaf: onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
					},
					"pod_cidr6": &shape{
						want: "an IPv6 network such as fd42:10::/56",
						doc:  "The network of the pods' IPv6 addresses, for a cluster with both families of\naddresses. All members then have an address of each, and pod_cidr is IPv4.",
						like: []string{"pod_cidr_v6", "pod_cidr_ipv6"},
						leaf: onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
					},
					"service_cidr6": &shape{
						want: "an IPv6 network such as fd42:11::/112",
						doc:  "The network of the services' IPv6 addresses, /108 at most.",
						like: []string{"service_cidr_v6", "service_cidr_ipv6"},
						leaf: onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
					},
					"dns": &shape{
						want: "true or false",
						doc:  "Whether the cluster has a DNS server of its own, CoreDNS; true by default.",
						like: []string{"coredns", "addons"},
						leaf: ofKind(cue.BoolKind),
					},
					"manifests": &shape{
						want:   "an attribute set of objects of Kubernetes by name",
						names:  "lower-case letters, digits and '-', at most 63",
						doc:    "Objects of Kubernetes that the cluster is given and keeps, by names of your own:\naddons of the addon manager of NixOS, manifests of k3s and RKE2.",
						like:   []string{"objects", "resources"},
						strct:  true,
						nameOK: onFirstUse("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
						entry: &shape{
							want:  "an attribute set",
							open:  true,
							strct: true,
						},
					},
					"mesh_cidr": &shape{
						want: "a network such as 10.2.0.0/24",
						doc:  "The private network between the hosts, if there is one that muster does not make.",
						leaf: onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
					},
					"mesh": &shape{
						want: "the name of a mesh such as wg0",
						doc:  "The mesh whose addresses the members use among each other: the API, etcd, the nodes\nand their certificates. All members are in it.",
						leaf: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,14}$"),
					},
				},
			},
			"mesh": &shape{
				want:   "an attribute set of meshes by interface, such as wg0: {network: \"10.99.0.0/16\"}",
				names:  "the name of an interface: at most 15 letters, digits, - and _, beginning with a letter",
				doc:    "Private networks between the hosts, by the names of their network interfaces\n(WireGuard).",
				like:   []string{"meshes", "wireguard", "vpn"},
				strct:  true,
				nameOK: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,14}$"),
				entry: &shape{
					want:  "an attribute set",
					strct: true,
					order: []string{"network", "ipv6", "on", "hub", "port", "keep_alive", "backend", "names", "keys", "deploy", "hosts"},
					fields: map[string]*shape{
						"network": &shape{
							want:     "a network such as 10.99.0.0/16",
							doc:      "The network of the members' addresses.",
							required: true,
							like:     []string{"cidr", "subnet", "net", "range"},
							leaf:     onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
						},
						"ipv6": &shape{
							want: "an IPv6 network such as fd5a:12c8:73d1::/64",
							doc:  "A network of further addresses of the members, IPv6.",
							like: []string{"network6", "ula"},
							leaf: onFirstUse("^[0-9A-Fa-f:.]+/[0-9]{1,3}$"),
						},
						"on": &shape{
							want: "a selector such as @cloud or +router",
							doc:  "A selector of the members, as for --on; all hosts by default.",
							like: []string{"members", "selector", "nodes"},
							leaf: onFirstUse("^[^\\x00]+$"),
						},
						"hub": &shape{
							want: "the name of a host",
							doc:  "The member through which those without an endpoint reach each other.",
							like: []string{"relay", "gateway"},
							leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						},
						"port": &shape{
							want: "a port number, 1 to 65535",
							doc:  "The UDP port that members listen on; 51820 by default.",
							like: []string{"listenport"},
							leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}},
						},
						"keep_alive": &shape{
							want: "a duration of whole seconds such as 25s",
							doc:  "How often a member without an endpoint sends an empty packet, so that NAT keeps its\nway open; 25s by default.",
							like: []string{"persistentkeepalive", "keepalive"},
							leaf: onFirstUse("^([0-9]+(s|m|h))+$"),
						},
						"backend": &shape{
							want: "wireguard or networkd",
							doc:  "What makes the interface: networking.wireguard of NixOS, or systemd-networkd.\nwireguard by default.",
							leaf: oneOf{theText("wireguard"), theText("networkd")},
						},
						"names": &shape{
							want: "true, or a domain name such as mesh.example.org",
							doc:  "Whether members know each other as HOST.MESH, such as web1.wg0, or the domain that\ntakes the place of the mesh's name.",
							like: []string{"dns", "hosts_file", "extrahosts", "domain"},
							leaf: oneOf{ofKind(cue.BoolKind), onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")},
						},
						"keys": &shape{
							want: "the path of a folder such as ./mesh/wg0",
							doc:  "The folder of the members' keys, ./mesh/NAME by default. muster secrets generate\nwrites them there: private keys encrypted with age, public keys as plain text.",
							like: []string{"pki", "secrets"},
							leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
						},
						"deploy": &shape{
							want: "true or false",
							doc:  "Whether muster reaches members by their addresses in the mesh, and by their own where\nthose do not answer.",
							like: []string{"via", "deployvia"},
							leaf: ofKind(cue.BoolKind),
						},
						"hosts": &shape{
							want:   "an attribute set of hosts by name",
							names:  "a host name",
							doc:    "What is different for single members.",
							like:   []string{"peers"},
							strct:  true,
							nameOK: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
							entry: &shape{
								want:  "an attribute set",
								strct: true,
								order: []string{"address", "ipv6", "endpoint", "nat", "port", "keep_alive"},
								fields: map[string]*shape{
									"address": &shape{
										want: "an address of the network",
										doc:  "Its address; one that muster mesh assign gives by default.",
										like: []string{"ip"},
										leaf: allOf{ofKind(cue.StringKind), oneOf{onFirstUse("^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$")}},
									},
									"ipv6": &shape{
										want: "an IPv6 address of the network",
										doc:  "Its IPv6 address, where the mesh has such a network.",
										leaf: allOf{ofKind(cue.StringKind), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$")},
									},
									"endpoint": &shape{
										want: "an address or domain name, possibly with a port",
										doc:  "Where other members reach it, with a port or without one; by default the first\naddress of the host.",
										like: []string{"public"},
										leaf: allOf{ofKind(cue.StringKind), oneOf{onFirstUse("^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$"), onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"), onFirstUse("^([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$")}},
									},
									"nat": &shape{
										want: "true or false",
										doc:  "Whether nobody can reach it from outside, such as behind NAT: it has no endpoint.",
										like: []string{"behind_nat"},
										leaf: ofKind(cue.BoolKind),
									},
									"port": &shape{
										want: "a port number, 1 to 65535",
										doc:  "The UDP port that it listens on.",
										like: []string{"listenport"},
										leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 1}}, bounded{cue.LessThanEqualOp, 65535}},
									},
									"keep_alive": &shape{
										want: "a duration of whole seconds such as 25s",
										doc:  "How often it sends an empty packet to those with an endpoint.",
										like: []string{"persistentkeepalive", "keepalive"},
										leaf: onFirstUse("^([0-9]+(s|m|h))+$"),
									},
								},
							},
						},
					},
				},
			},
			"defaults": &shape{
				want:  "an attribute set of configuration and defaults",
				doc:   "Configuration of all hosts, and defaults for their fields.",
				strct: true,
				order: []string{"imports", "config", "nix", "nixpkgs", "nixpkgs_config", "overlays", "port", "special_args", "secrets", "ssh", "provision", "upgrade", "pull", "user", "jump", "privilege", "local", "system", "roles", "node", "tags", "policy", "failed_units", "timeouts", "guard", "rollback", "replace_foreign", "allow_all", "deploy", "known_hosts", "extra_hosts", "build_on", "cross", "substitute", "limit_rate", "health", "install", "meta"},
				fields: map[string]*shape{
					"imports": s5,
					"config":  s6,
					"nix": &shape{
						want: "Nix text, or a list of it",
						doc:  "One or several NixOS modules as Nix text.",
						leaf: onFirstUse("^[^\\x00]+$"),
						elem: &shape{
							want: "Nix text",
							leaf: onFirstUse("^[^\\x00]+$"),
						},
					},
					"nixpkgs": s7,
					"nixpkgs_config": &shape{
						want:  "an attribute set such as {allowUnfree: true}",
						doc:   "The configuration of nixpkgs, such as {allowUnfree: true}.",
						open:  true,
						strct: true,
					},
					"overlays":        s8,
					"port":            s9,
					"special_args":    s10,
					"secrets":         s24,
					"ssh":             s33,
					"provision":       s48,
					"upgrade":         s54,
					"pull":            s60,
					"user":            s61,
					"jump":            s62,
					"privilege":       s63,
					"local":           s64,
					"system":          s65,
					"roles":           s66,
					"node":            s70,
					"tags":            s71,
					"policy":          s72,
					"failed_units":    s73,
					"timeouts":        s74,
					"guard":           s75,
					"rollback":        s76,
					"replace_foreign": s77,
					"allow_all": &shape{
						want: "true or false",
						doc:  "false: the host takes part in a deployment only if --on chooses it.",
						like: []string{"allowapplyall"},
						leaf: ofKind(cue.BoolKind),
					},
					"deploy": s78,
					"known_hosts": &shape{
						want: "true or false",
						doc:  "Whether the host knows the SSH host keys of all hosts of the inventory.",
						like: []string{"knownhosts"},
						leaf: ofKind(cue.BoolKind),
					},
					"extra_hosts": &shape{
						want: "true or false",
						doc:  "Whether the host knows the names of all hosts of the inventory that have an IP\naddress.",
						like: []string{"extrahosts", "etchosts"},
						leaf: ofKind(cue.BoolKind),
					},
					"build_on":   s79,
					"cross":      s80,
					"substitute": s81,
					"limit_rate": s82,
					"health":     s89,
					"install":    s98,
					"meta": &shape{
						want:  "an attribute set",
						doc:   "Any data of your own. muster ignores it.",
						like:  []string{"extra", "vars", "variables"},
						open:  true,
						strct: true,
					},
				},
			},
			"roles": &shape{
				want:   "an attribute set of roles by name",
				names:  "letters, digits, - and _, beginning with a letter, at most 63",
				doc:    "Roles of your own, by name. The hosts of a role get its configuration.",
				strct:  true,
				nameOK: onFirstUse("^[A-Za-z][A-Za-z0-9_-]{0,62}$"),
				entry: &shape{
					want:  "an attribute set",
					strct: true,
					order: []string{"imports", "config", "nix", "nixpkgs", "nixpkgs_config", "overlays", "special_args", "secrets", "ssh", "provision", "upgrade", "pull"},
					fields: map[string]*shape{
						"imports": s5,
						"config":  s6,
						"nix": &shape{
							want: "Nix text, or a list of it",
							doc:  "One or several NixOS modules as Nix text.",
							leaf: onFirstUse("^[^\\x00]+$"),
							elem: &shape{
								want: "Nix text",
								leaf: onFirstUse("^[^\\x00]+$"),
							},
						},
						"nixpkgs": s7,
						"nixpkgs_config": &shape{
							want:  "an attribute set such as {allowUnfree: true}",
							doc:   "The configuration of nixpkgs, such as {allowUnfree: true}.",
							open:  true,
							strct: true,
						},
						"overlays":     s8,
						"special_args": s10,
						"secrets":      s24,
						"ssh":          s33,
						"provision":    s48,
						"upgrade":      s54,
						"pull":         s60,
					},
				},
			},
			"hosts": &shape{
				want:     "an attribute set of hosts by name",
				names:    "a host name: letters, digits, inner hyphens and underscores, at most 63 between dots",
				doc:      "The machines, by name.",
				required: true,
				like:     []string{"nodes", "machines", "servers"},
				strct:    true,
				nameOK:   onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
				entry: &shape{
					want:  "an attribute set",
					strct: true,
					order: []string{"host", "guest_of", "imports", "config", "nix", "nixpkgs", "nixpkgs_config", "overlays", "port", "special_args", "secrets", "ssh", "provision", "upgrade", "pull", "user", "jump", "privilege", "local", "system", "roles", "node", "tags", "policy", "failed_units", "timeouts", "guard", "rollback", "replace_foreign", "allow_all", "deploy", "known_hosts", "extra_hosts", "build_on", "cross", "substitute", "limit_rate", "health", "install", "meta", "variant_of", "flake", "nixos", "profiles", "host_keys", "disk_uuid", "disks", "file_systems", "swap"},
					fields: map[string]*shape{
						"host": &shape{
							want:  "an IPv4 or IPv6 address or a domain name",
							doc:   "Its address: IPv4, IPv6 or a domain name, possibly with user and port as in\nroot@web1:2222, ssh://root@web1:2222 or [2001:db8::1]:22; or a list of them, which\nare tried in order. {$config: \"networking.fqdn\"} is what this option of the host's\nconfiguration has, read when muster connects to the host. A host without one is\nbuilt and exported, and never connected to, unless ssh.alias is set.",
							like:  []string{"address", "adress", "addr", "ip", "ipv4", "ipv6", "targethost", "hostname", "fqdn", "deployment"},
							strct: true,
							some:  true,
							leaf:  allOf{ofKind(cue.StringKind), oneOf{allOf{ofKind(cue.StringKind), oneOf{onFirstUse("^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$"), onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")}}, onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$"), onFirstUse("^(ssh://)?([A-Za-z_][A-Za-z0-9_.-]{0,31}@)?(((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])|([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?|\\[[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?\\])(:[0-9]{1,5})?$|^[A-Za-z_][A-Za-z0-9_.-]{0,31}@[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(%[A-Za-z0-9_.-]+)?$")}},
							elem: &shape{
								want: "an IPv4 or IPv6 address or a domain name",
								leaf: allOf{ofKind(cue.StringKind), oneOf{allOf{ofKind(cue.StringKind), oneOf{onFirstUse("^((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])$"), onFirstUse("^[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?$"), onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$")}}, onFirstUse("^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$"), onFirstUse("^(ssh://)?([A-Za-z_][A-Za-z0-9_.-]{0,31}@)?(((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])|([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\\.)*[A-Za-z_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?|\\[[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(:?[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+)?(%[A-Za-z0-9_.-]+)?\\])(:[0-9]{1,5})?$|^[A-Za-z_][A-Za-z0-9_.-]{0,31}@[0-9A-Fa-f]{0,4}(:[0-9A-Fa-f]{0,4}){1,7}(%[A-Za-z0-9_.-]+)?$")}},
							},
							order: []string{"$config"},
							fields: map[string]*shape{
								"$config": &shape{
									want:     "an option such as networking.fqdn",
									doc:      "The option, whose value is text: an address as host has it.",
									required: true,
									leaf:     onFirstUse("^(\"[^\"$\\\\\\x00-\\x1f]+\"|[A-Za-z_][A-Za-z0-9_'-]*)(\\.(\"[^\"$\\\\\\x00-\\x1f]+\"|[A-Za-z_][A-Za-z0-9_'-]*))+$"),
								},
							},
						},
						"guest_of": &shape{
							want: "the name of a host",
							doc:  "The host whose configuration this one is part of, as a container or virtual machine:\nit is deployed with that host.",
							like: []string{"container", "containerof", "vmof", "parent"},
							leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						},
						"imports": s5,
						"config":  s6,
						"nix": &shape{
							want: "Nix text, or a list of it",
							doc:  "One or several NixOS modules as Nix text.",
							leaf: onFirstUse("^[^\\x00]+$"),
							elem: &shape{
								want: "Nix text",
								leaf: onFirstUse("^[^\\x00]+$"),
							},
						},
						"nixpkgs": s7,
						"nixpkgs_config": &shape{
							want:  "an attribute set such as {allowUnfree: true}",
							doc:   "The configuration of nixpkgs, such as {allowUnfree: true}.",
							open:  true,
							strct: true,
						},
						"overlays":        s8,
						"port":            s9,
						"special_args":    s10,
						"secrets":         s24,
						"ssh":             s33,
						"provision":       s48,
						"upgrade":         s54,
						"pull":            s60,
						"user":            s61,
						"jump":            s62,
						"privilege":       s63,
						"local":           s64,
						"system":          s65,
						"roles":           s66,
						"node":            s70,
						"tags":            s71,
						"policy":          s72,
						"failed_units":    s73,
						"timeouts":        s74,
						"guard":           s75,
						"rollback":        s76,
						"replace_foreign": s77,
						"allow_all": &shape{
							want: "true or false",
							doc:  "false: the host takes part in a deployment only if --on chooses it.",
							like: []string{"allowapplyall"},
							leaf: ofKind(cue.BoolKind),
						},
						"deploy": s78,
						"known_hosts": &shape{
							want: "true or false",
							doc:  "Whether the host knows the SSH host keys of all hosts of the inventory.",
							like: []string{"knownhosts"},
							leaf: ofKind(cue.BoolKind),
						},
						"extra_hosts": &shape{
							want: "true or false",
							doc:  "Whether the host knows the names of all hosts of the inventory that have an IP\naddress.",
							like: []string{"extrahosts", "etchosts"},
							leaf: ofKind(cue.BoolKind),
						},
						"build_on":   s79,
						"cross":      s80,
						"substitute": s81,
						"limit_rate": s82,
						"health":     s89,
						"install":    s98,
						"meta": &shape{
							want:  "an attribute set",
							doc:   "Any data of your own. muster ignores it.",
							like:  []string{"extra", "vars", "variables"},
							open:  true,
							strct: true,
						},
						"variant_of": &shape{
							want: "the name of a host",
							doc:  "The host whose machine this is another system of. It is reached as that host is, and\ndeployed only if --on chooses it.",
							like: []string{"variant", "specialisation"},
							leaf: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						},
						"flake": &shape{
							want: "a flake and an attribute, such as .#web",
							doc:  "A system of a flake, as FLAKE#ATTRIBUTE: \".#web\" is nixosConfigurations.web of\nthe flake in this file's directory. What else the inventory configures for the\nhost is added to it.",
							like: []string{"flakeattr"},
							leaf: onFirstUse("^[^# \\x00-\\x1f]+#[^# \\x00-\\x1f]+$"),
						},
						"nixos": &shape{
							want: "false, or a Nix file and an attribute, such as ./nodes.nix#web",
							doc:  "Which NixOS it has, if not that of its modules here: a system of a Nix file, as\nFILE#ATTRIBUTE, which is what nixos/lib/eval-config.nix returns for it. What else\nthe inventory configures for the host is added to it. With false it has none, and\nonly its profiles are deployed.",
							like: []string{"nodesfile", "evalfile"},
							leaf: oneOf{ofKind(cue.BoolKind), onFirstUse("^[^#\\x00-\\x1f]+#[^# \\x00-\\x1f]+$")},
						},
						"profiles": &shape{
							want:   "an attribute set of profiles by name",
							names:  "letters, digits, - and _",
							doc:    "Profiles of Nix that are deployed beside its system, or without one.",
							strct:  true,
							nameOK: onFirstUse("^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"),
							entry: &shape{
								want:  "an attribute set",
								strct: true,
								order: []string{"flake", "expr", "file", "attr", "user", "path", "activate"},
								fields: map[string]*shape{
									"flake": &shape{
										want: "a flake and an attribute, such as .#homeConfigurations.anna.activationPackage",
										doc:  "An output of a flake, as FLAKE#ATTRIBUTE, such as\n.#homeConfigurations.anna.activationPackage.",
										leaf: onFirstUse("^[^# \\x00-\\x1f]+#[^# \\x00-\\x1f]+$"),
									},
									"expr": &shape{
										want: "a Nix expression",
										doc:  "A Nix expression, or a function of { nodes, pkgs, lib, ... }. Its value is a\nderivation.",
										leaf: onFirstUse("^[^\\x00]+$"),
									},
									"file": &shape{
										want: "the path of a Nix file",
										doc:  "A file that holds such an expression.",
										leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
									},
									"attr": &shape{
										want: "an attribute such as activationPackage",
										doc:  "The attribute of it.",
										leaf: onFirstUse("^[^\\x00]+$"),
									},
									"user": &shape{
										want: "the name of a user",
										doc:  "Whose profile it is; by default that of the user that logs in.",
										leaf: onFirstUse("^[A-Za-z_][A-Za-z0-9_.-]{0,31}$"),
									},
									"path": &shape{
										want: "an absolute path, or one below the home of the user",
										doc:  "The path of its link: absolute, or below the user's home.\n.local/state/nix/profiles/NAME by default.",
										leaf: onFirstUse("^/?([A-Za-z0-9._][A-Za-z0-9._-]*/)*[A-Za-z0-9._][A-Za-z0-9._-]*$"),
									},
									"activate": &shape{
										want: "a command such as ./activate",
										doc:  "The command that activates it, run by a shell in the directory of the new\ngeneration; ./activate by default, as home-manager has it. \"true\" does nothing.",
										leaf: onFirstUse("^[^\\x00]+$"),
									},
								},
							},
						},
						"host_keys": &shape{
							want: "a list of public keys",
							doc:  "Its SSH host keys, as in known_hosts: ssh-ed25519 AAAA…",
							like: []string{"hostkey", "sshhostkey", "publickey"},
							elem: s97,
						},
						"disk_uuid": &shape{
							want: "a UUID such as 01b3bcba-c0ef-4538-8dd2-f7dee2952322",
							doc:  "The file system mounted at /, by UUID: short for file_systems.\"/\".",
							like: []string{"uuid", "rootuuid"},
							leaf: onFirstUse("^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"),
						},
						"disks": &shape{
							want:   "an attribute set of disks by name",
							names:  "letters, digits, - and _",
							doc:    "Disks, by a name of your own. The boot loader is installed on those with\nboot.",
							strct:  true,
							nameOK: onFirstUse("^[A-Za-z0-9][A-Za-z0-9_-]*$"),
							entry: &shape{
								want:  "an attribute set",
								strct: true,
								order: []string{"device", "boot", "serial", "table", "partitions"},
								fields: map[string]*shape{
									"device": &shape{
										want: "a device such as /dev/disk/by-id/…",
										doc:  "Its device, preferably by id: /dev/disk/by-id/… A machine that muster provision makes\nsays it itself.",
										like: []string{"path"},
										leaf: onFirstUse("^/[^\\x00-\\x1f]+$"),
									},
									"boot": &shape{
										want: "true or false",
										doc:  "Whether the boot loader is installed on it.",
										leaf: ofKind(cue.BoolKind),
									},
									"serial": &shape{
										want: "a serial number without spaces",
										doc:  "Its serial number. muster install wipes no disk that has another.",
										like: []string{"serialnumber", "sn"},
										leaf: onFirstUse("^[!-~]{1,128}$"),
									},
									"table": &shape{
										want: "gpt or mbr",
										doc:  "The kind of its partition table; gpt by default.",
										like: []string{"type", "label"},
										leaf: oneOf{theText("gpt"), theText("mbr")},
									},
									"partitions": &shape{
										want: "a list of partitions",
										doc:  "Its partitions, in their order on the disk. muster install makes them, and\nthe host's configuration mounts them.",
										like: []string{"parts"},
										some: true,
										elem: &shape{
											want:  "a partition such as {name: \"root\", fs: \"ext4\", mount: \"/\"}",
											strct: true,
											order: []string{"name", "size", "type", "fs", "label", "mount", "options", "format_options", "bootable", "encrypt"},
											fields: map[string]*shape{
												"name": &shape{
													want:     "letters, digits, - and _, at most 31",
													doc:      "Its name in the partition table.",
													required: true,
													leaf:     onFirstUse("^[A-Za-z0-9][A-Za-z0-9_-]{0,30}$"),
												},
												"size": &shape{
													want: "a size such as 512M or 20G",
													doc:  "Its size: \"512M\", \"20G\"; the rest of the disk by default, for the last one.",
													leaf: onFirstUse("^[1-9][0-9]{0,6}[MGT]$"),
												},
												"type": &shape{
													want: "linux, efi, bios or swap",
													doc:  "Its type: linux, efi, bios (for GRUB on a gpt disk without EFI) or swap; by\nits file system by default.",
													leaf: oneOf{theText("linux"), theText("efi"), theText("bios"), theText("swap")},
												},
												"fs": &shape{
													want: "ext4, ext3, ext2, xfs, btrfs, vfat or swap",
													doc:  "What it is formatted with: a file system, or swap.",
													like: []string{"fs_type", "filesystem", "format"},
													leaf: oneOf{theText("ext4"), theText("ext3"), theText("ext2"), theText("xfs"), theText("btrfs"), theText("vfat"), theText("swap")},
												},
												"label": &shape{
													want: "a label of at most 16 letters, digits, '.', '-' and '_'",
													doc:  "The label of its file system.",
													leaf: onFirstUse("^[A-Za-z0-9_.-]{1,16}$"),
												},
												"mount": &shape{
													want: "an absolute path",
													doc:  "Where it is mounted.",
													like: []string{"mountpoint", "path"},
													leaf: onFirstUse("^/([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*)?$"),
												},
												"options": &shape{
													want: "a list of mount options",
													doc:  "Mount options.",
													like: []string{"mountoptions"},
													elem: &shape{
														want: "a mount option",
														leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9=._/@:-]*$"),
													},
												},
												"format_options": &shape{
													want: "a list of arguments",
													doc:  "More arguments of the program that formats it.",
													like: []string{"extraargs", "mkfsoptions"},
													elem: &shape{
														want: "an argument without spaces",
														leaf: onFirstUse("^[!-~]+$"),
													},
												},
												"bootable": &shape{
													want: "true or false",
													doc:  "Whether a BIOS may boot it: the active partition of an mbr disk.",
													like: []string{"active"},
													leaf: ofKind(cue.BoolKind),
												},
												"encrypt": &shape{
													want: "the name of a secret",
													doc:  "The secret with the passphrase that it is encrypted by (LUKS). The host asks\nfor it at boot.",
													like: []string{"luks", "encryption", "passphrase"},
													leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
												},
											},
										},
									},
								},
							},
						},
						"file_systems": &shape{
							want:   "an attribute set of file systems by mount point",
							names:  "an absolute path",
							doc:    "File systems, by mount point.",
							strct:  true,
							nameOK: onFirstUse("^/"),
							entry: &shape{
								want:  "an attribute set",
								strct: true,
								order: []string{"device", "uuid", "label", "fs_type", "options", "needed_for_boot"},
								fields: map[string]*shape{
									"device": &shape{
										want: "a device such as /dev/sda1",
										doc:  "The device, or the source of a mount that has none, such as tmpfs.",
										leaf: onFirstUse("^[^\\x00]+$"),
									},
									"uuid": &shape{
										want: "a UUID",
										doc:  "The file system's UUID, or the short one of FAT.",
										leaf: onFirstUse("^([0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-F]{4}-[0-9A-F]{4})$"),
									},
									"label": &shape{
										want: "a label",
										doc:  "The file system's label.",
										leaf: onFirstUse("^[^\\x00]+$"),
									},
									"fs_type": &shape{
										want: "a file system type such as ext4",
										doc:  "Its type: ext4, vfat, …; detected by NixOS by default.",
										leaf: onFirstUse("^[A-Za-z0-9][A-Za-z0-9._-]*$"),
									},
									"options": &shape{
										want: "a list of mount options",
										doc:  "Mount options.",
										elem: &shape{
											want: "a mount option",
											leaf: onFirstUse("^[^\\x00]+$"),
										},
									},
									"needed_for_boot": &shape{
										want: "true or false",
										doc:  "Whether it is mounted in stage 1 of the boot.",
										leaf: ofKind(cue.BoolKind),
									},
								},
							},
						},
						"swap": &shape{
							want: "a list of swap devices and files",
							doc:  "Swap devices and files.",
							elem: &shape{
								want:  "an attribute set with device",
								strct: true,
								order: []string{"device", "size"},
								fields: map[string]*shape{
									"device": &shape{
										want:     "the path of a device or file",
										doc:      "The device or file. The file is created if size is given.",
										required: true,
										leaf:     onFirstUse("^/[^\\x00-\\x1f]+$"),
									},
									"size": &shape{
										want: "a size in MiB",
										doc:  "The size of a swap file in MiB.",
										leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 16777216}},
									},
								},
							},
						},
					},
				},
				order: []string{"$dir", "$file", "$at"},
				fields: map[string]*shape{
					"$dir": &shape{
						want: "the path of a folder",
						doc:  "A folder of hosts: each folder in it with default.nix, configuration.nix or meta.json\n(.toml, .yaml, .cue, .nix) is a host of that name, which has the fields of meta.json.\nA folder around it is one of its tags, or its system.",
						leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
					},
					"$file": &shape{
						want: "the path of a file of data",
						doc:  "A file of hosts: JSON, TOML, YAML, CUE or Nix data, such as the outputs of Terraform.\nWhat it has for a host are its fields, or its address.",
						leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
					},
					"$at": &shape{
						want: "names with dots between them such as hosts.value",
						doc:  "Where the hosts are in that file, such as hosts.value.",
						leaf: onFirstUse("^[^.\\x00-\\x1f]+(\\.[^.\\x00-\\x1f]+)*$"),
					},
				},
			},
			"meta": &shape{
				want:  "an attribute set",
				doc:   "Any data of your own, such as YAML's anchors. muster ignores it.",
				open:  true,
				strct: true,
			},
			"builders": &shape{
				want: "a list of build machines",
				doc:  "Build machines in the notation of Nix's builders setting; those of\nnix.conf by default.",
				like: []string{"remotebuilders", "buildhosts"},
				elem: &shape{
					want: "a build machine such as ssh://builder x86_64-linux",
					leaf: onFirstUse("^[^;\\x00-\\x1f]+$"),
				},
			},
			"build": &shape{
				want:  "an attribute set such as {here: false, machines: {big: {jobs: 8}}}",
				doc:   "Where systems are built, and builders in fields instead of Nix's notation.",
				like:  []string{"building"},
				strct: true,
				order: []string{"here", "machines"},
				fields: map[string]*shape{
					"here": &shape{
						want: "true or false",
						doc:  "false: all is built on builders, and nothing where muster runs.",
						like: []string{"local"},
						leaf: ofKind(cue.BoolKind),
					},
					"machines": &shape{
						want:   "an attribute set of builders by name",
						names:  "a host name",
						doc:    "Builders, by name. One that is a host of the inventory is reached as that host, and\nhas its system and host key.",
						like:   []string{"builders", "buildmachines"},
						strct:  true,
						nameOK: onFirstUse("^([A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$|^[A-Za-z0-9]([A-Za-z0-9_-]{0,61}[A-Za-z0-9])?$"),
						entry: &shape{
							want:  "an attribute set",
							strct: true,
							order: []string{"url", "systems", "jobs", "speed", "features", "mandatory_features", "key", "host_key"},
							fields: map[string]*shape{
								"url": &shape{
									want: "a store URL such as ssh://builder or ssh-ng://builder",
									doc:  "Its store URL, ssh:// or ssh-ng://; ssh:// and its name by default.",
									like: []string{"hostname", "uri", "address", "host"},
									leaf: onFirstUse("^[a-z][a-z0-9+-]*://[^ \\x00-\\x1f]+$"),
								},
								"systems": &shape{
									want: "a list of systems",
									doc:  "The systems that it builds for; that of the machine where muster runs by default.",
									like: []string{"system", "supportedsystems"},
									elem: &shape{
										want: "a system such as x86_64-linux",
										leaf: onFirstUse("^[a-z0-9_]+-[a-z0-9_]+$"),
									},
								},
								"jobs": &shape{
									want: "a number of builds, 1 or more",
									doc:  "How many derivations it builds at once; 1 by default.",
									like: []string{"maxjobs", "max_jobs"},
									leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 100000}},
								},
								"speed": &shape{
									want: "a number, 1 or more",
									doc:  "How fast it is beside other builders; 1 by default.",
									like: []string{"speedfactor", "speed_factor"},
									leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 1000000}},
								},
								"features": &shape{
									want: "a list of features",
									doc:  "The features that it has, such as kvm and big-parallel.",
									like: []string{"supportedfeatures", "supported_features"},
									elem: &shape{
										want: "a feature such as kvm",
										leaf: onFirstUse("^[A-Za-z0-9._+:-]+$"),
									},
								},
								"mandatory_features": &shape{
									want: "a list of features",
									doc:  "The features that a derivation must need to be built on it.",
									like: []string{"mandatoryfeatures"},
									elem: &shape{
										want: "a feature such as benchmark",
										leaf: onFirstUse("^[A-Za-z0-9._+:-]+$"),
									},
								},
								"key": &shape{
									want: "the absolute path of a private SSH key",
									doc:  "The file of the private SSH key.",
									like: []string{"sshkey", "ssh_key", "identity"},
									leaf: onFirstUse("^/[^ \\x00-\\x1f]+$"),
								},
								"host_key": &shape{
									want: "a public key such as ssh-ed25519 AAAA…",
									doc:  "Its public SSH host key.",
									like: []string{"publichostkey", "public_host_key"},
									leaf: onFirstUse("^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+$"),
								},
							},
						},
					},
				},
			},
			"cache": &shape{
				want:  "an attribute set with push_to",
				doc:   "A binary cache that hosts fetch their systems from.",
				like:  []string{"binarycache", "substituter", "substituters"},
				strct: true,
				order: []string{"push_to", "pull_from", "peers"},
				fields: map[string]*shape{
					"push_to": &shape{
						want: "a store URL such as s3://bucket or ssh://cache",
						doc:  "The store URL to upload to, as for nix copy.",
						like: []string{"to", "push", "url", "store"},
						leaf: onFirstUse("^[a-z][a-z0-9+-]*://[^ \\x00-\\x1f]+$"),
					},
					"pull_from": &shape{
						want: "a store URL such as https://cache.example.com",
						doc:  "The store URL to fetch from; push_to by default, without settings for\nwriting.",
						like: []string{"from", "pull"},
						leaf: onFirstUse("^[a-z][a-z0-9+-]*://[^ \\x00-\\x1f]+$"),
					},
					"peers": &shape{
						want: "a list of selectors",
						doc:  "A selector of the hosts of each site. muster sends what they lack to one host of a\nsite, and the others fetch it from there, at port 17322.",
						like: []string{"sites", "site"},
						elem: &shape{
							want: "a selector such as @berlin",
							leaf: onFirstUse("^[^\\x00]+$"),
						},
					},
				},
			},
			"provision": &shape{
				want:  "an attribute set such as {backend: {s3: {…}}}",
				doc:   "How OpenTofu or Terraform makes the machines of hosts with provision.",
				like:  []string{"terraform", "tofu", "opentofu"},
				strct: true,
				order: []string{"program", "dir", "pinned", "backend", "providers"},
				fields: map[string]*shape{
					"program": &shape{
						want: "tofu, terraform or the path of one of them",
						doc:  "The program: tofu, terraform, or the path of one of them. By default tofu if there\nis one, or else terraform.",
						like: []string{"binary", "tool", "command", "exec"},
						leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
					},
					"dir": &shape{
						want: "the path of a folder such as ./provision",
						doc:  "The folder that muster writes the configuration of the machines to, and that the\nprogram runs in; ./provision by default. Files of your own beside it belong to the\nconfiguration.",
						like: []string{"directory", "folder", "path"},
						leaf: onFirstUse("^[^\\x00-\\x1f]+$"),
					},
					"pinned": &shape{
						want: "the path of a .json file",
						doc:  "The file of addresses, ids, disks and host keys of the machines, which muster\nprovision writes and the inventory reads; ./provision.json by default.",
						like: []string{"outputs", "file", "lock"},
						leaf: onFirstUse("\\.json$"),
					},
					"backend": &shape{
						want:   "one backend with its settings, such as {s3: {bucket: …}}",
						names:  "the name of a backend such as s3",
						doc:    "Where the program keeps its state: one backend by its name, with its own settings.",
						like:   []string{"state"},
						strct:  true,
						nameOK: onFirstUse("^[A-Za-z_][A-Za-z0-9_-]{0,63}$"),
						entry: &shape{
							want:  "the settings of a backend",
							open:  true,
							strct: true,
						},
					},
					"providers": &shape{
						want:   "an attribute set of providers by name",
						names:  "the name of a provider such as aws",
						doc:    "Providers by their names in resources: hcloud, aws and so on.",
						like:   []string{"provider", "required_providers"},
						strct:  true,
						nameOK: onFirstUse("^[A-Za-z_][A-Za-z0-9_-]{0,63}$"),
						entry: &shape{
							want:  "an attribute set",
							strct: true,
							order: []string{"source", "version", "config"},
							fields: map[string]*shape{
								"source": &shape{
									want: "a source such as hetznercloud/hcloud",
									doc:  "Where it comes from, such as hetznercloud/hcloud; known for the targets.",
									leaf: onFirstUse("^([A-Za-z0-9.-]+/)?[A-Za-z0-9_-]+/[A-Za-z0-9_-]+$"),
								},
								"version": &shape{
									want: "versions such as ~> 1.45",
									doc:  "The versions that are accepted.",
									leaf: onFirstUse("^[0-9~<>=!., ]+$"),
								},
								"config": &shape{
									want:  "an attribute set of the provider's settings",
									doc:   "Its settings, by its own names. Its credentials come from the environment or a\nvariable, not from here.",
									like:  []string{"settings", "arguments"},
									open:  true,
									strct: true,
								},
							},
						},
					},
				},
			},
			"rollout": &shape{
				want:  "an attribute set such as {canaries: \"@canary\", batch: \"20%\"}",
				doc:   "Order and batches of a deployment.",
				strct: true,
				order: []string{"canaries", "batch", "order", "max_unavailable", "max_failures", "pause", "confirm", "hooks"},
				fields: map[string]*shape{
					"canaries": &shape{
						want: "a selector such as @canary",
						doc:  "A selector of the hosts to deploy first: \"@canary\".",
						leaf: onFirstUse("^[^\\x00]+$"),
					},
					"batch": &shape{
						want: "a number of hosts, or a share such as 20%",
						doc:  "The size of a batch: a number of hosts, or a share such as \"20%\".",
						leaf: oneOf{allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 1000000}}, onFirstUse("^([1-9][0-9]?|100)%$")},
					},
					"order": &shape{
						want: "a list of selectors",
						doc:  "Selectors in the order of deployment; other hosts follow.",
						elem: &shape{
							want: "a selector",
							leaf: onFirstUse("^[^\\x00]+$"),
						},
					},
					"max_unavailable": &shape{
						want: "a number of hosts, 1 or more",
						doc:  "The maximum of hosts that may be down at the same time.",
						leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanOp, 0}}, bounded{cue.LessThanEqualOp, 1000000}},
					},
					"max_failures": &shape{
						want: "a number of failures",
						doc:  "The number of failures that stops the rollout; 1 by default.",
						leaf: allOf{allOf{ofKind(cue.IntKind), bounded{cue.GreaterThanEqualOp, 0}}, bounded{cue.LessThanEqualOp, 1000000}},
					},
					"pause": &shape{
						want: "a duration such as 30s or 5m",
						doc:  "The time to wait between batches: \"30s\", \"5m\".",
						leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
					},
					"confirm": &shape{
						want: "true or false",
						doc:  "Whether to ask before each further batch.",
						leaf: ofKind(cue.BoolKind),
					},
					"hooks": &shape{
						want: "a list of hooks",
						doc:  "Commands before and after stages.",
						elem: &shape{
							want:  "a hook such as {before: \"activate\", command: [\"drain\"]}",
							strct: true,
							order: []string{"before", "after", "command", "on", "hosts", "timeout"},
							fields: map[string]*shape{
								"before": &shape{
									want: "build, copy, activate, confirm or reboot",
									doc:  "The stage. Exactly one of before and after is given.",
									leaf: oneOf{theText("build"), theText("copy"), theText("activate"), theText("confirm"), theText("reboot")},
								},
								"after": &shape{
									want: "build, copy, activate, confirm or reboot",
									leaf: oneOf{theText("build"), theText("copy"), theText("activate"), theText("confirm"), theText("reboot")},
								},
								"command": &shape{
									want:     "a command as a list of words",
									doc:      "The command. Its environment describes the host and the run: MUSTER_HOST,\nMUSTER_ADDRESS, MUSTER_STAGE, MUSTER_ACTION, MUSTER_SYSTEM, MUSTER_RUN.",
									required: true,
									some:     true,
									elem: &shape{
										want: "a word",
										leaf: onFirstUse("^[^\\x00]+$"),
									},
								},
								"on": &shape{
									want: "host or here",
									doc:  "Where it runs: \"here\", in the inventory's directory, or on the \"host\".",
									leaf: oneOf{theText("host"), theText("here")},
								},
								"hosts": &shape{
									want: "a selector such as @web",
									doc:  "A selector of the hosts it runs for; all by default.",
									leaf: onFirstUse("^[^\\x00]+$"),
								},
								"timeout": &shape{
									want: "a duration such as 30s or 5m",
									doc:  "The maximum time it may take; 1m by default.",
									leaf: onFirstUse("^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"),
								},
							},
						},
					},
				},
			},
			"secret_recipients": &shape{
				want: "a list of age recipients or SSH public keys",
				doc:  "Who may decrypt the secret files that muster writes: age recipients, or SSH\npublic keys.",
				like: []string{"recipients", "publickeys"},
				elem: &shape{
					want: "a recipient such as age1… or ssh-ed25519 AAAA…",
					leaf: onFirstUse("^(age1[a-z0-9+-]+1?[a-z0-9]+|ssh-(ed25519|rsa) [A-Za-z0-9+/]{16,}={0,2}( .*)?)$"),
				},
			},
			"$schema": &shape{
				want: "the URL or path of a JSON Schema",
				doc:  "The JSON Schema of this file, for editors. muster ignores it.",
				leaf: ofKind(cue.StringKind),
			},
		},
	}
}
