package compile

import (
	"strconv"
	"time"

	"muster/compile/syntax"
	"muster/schema"
)

// deployRSFlake is the flake with the output deploy, by which deploy-rs reaches the hosts.
// What it activates with comes from its own flake, which is an input.
func (w *writer) deployRSFlake(p parts) syntax.Expr {
	nodes := &syntax.Attrs{}
	for _, h := range w.fleet.Hosts {
		if h.Address != "" || h.AddressOption != nil { // deploy-rs has no node without an address
			nodes.Bindings = append(nodes.Bindings, w.deployRSNode(h))
		}
	}
	complete, err := syntax.ParseExpr(`
		builtins.mapAttrs (
		  name: node:
		  let
		    system = self.nixosConfigurations.${name};
		    inherit (deploy-rs.lib.${system.pkgs.stdenv.hostPlatform.system}) activate;
		  in
		  node // {
		    profiles.system = {
		      user = "root";
		      path = activate.nixos system;
		    };
		  }
		)`)
	if err != nil {
		panic("compile: the nodes of deploy-rs: " + err.Error())
	}
	output := spaced(&syntax.Attr{Path: attrPath("deploy", "nodes"), Value: apply(complete, nodes)})
	output.Note.Before = []string{"What deploy-rs reads: how hosts are reached, and their systems with what activates them."}
	return w.flakeFor(DeployRS, p, flakeMore{
		inputs:    []syntax.Binding{&syntax.Attr{Path: attrPath("inputs", "deploy-rs", "url"), Value: str("github:serokell/deploy-rs")}},
		arguments: []syntax.Formal{{Name: "deploy-rs"}},
		outputs:   []syntax.Binding{output},
	})
}

// deployRSNode returns a node without its profiles.
func (w *writer) deployRSNode(h *schema.Host) *syntax.Attr {
	d := &schema.Attrs{At: h.At}
	flag := func(field string, v bool, name string) { put(d, schema.Bool{At: h.PosOf(field), V: v}, name) }
	seconds := func(field string, limit time.Duration, name string) {
		if limit > 0 {
			put(d, schema.Int{At: h.PosOf("timeouts." + field), V: int64((limit + time.Second - 1) / time.Second)}, name)
		}
	}
	if o := h.AddressOption; o != nil {
		put(d, schema.Expr{At: o.At, Text: "config." + o.Option}, "hostname")
	} else {
		put(d, schema.String{At: h.PosOf("host"), V: h.Address}, "hostname")
	}
	if h.User != "" {
		put(d, schema.String{At: h.PosOf("user"), V: h.User}, "sshUser")
	}
	if args := w.deployRSOptions(h); len(args) > 0 {
		put(d, texts(h.At, args), "sshOpts")
	}
	flag("substitute", !h.Substitute, "fastConnection")
	if h.BuildOn == schema.BuildTarget {
		flag("build_on", true, "remoteBuild")
	}
	w.deployRSPrivilege(d, h)
	if h.Care.GuardOff != "" {
		flag("guard", false, "magicRollback")
	}
	if h.Care.RollbackOff != "" {
		flag("rollback", false, "autoRollback")
	}
	seconds("confirm", h.Care.Timeouts.Confirm, "confirmTimeout")
	seconds("activate", h.Care.Timeouts.Activate, "activationTimeout")
	node := attr(h.Name, w.attrs(d))
	if h.AddressOption != nil { // config stands for a module's argument
		node.Value = &syntax.Let{Bindings: []syntax.Binding{w.configOf(h)}, Body: node.Value}
	}
	return node
}

// deployRSOptions are the arguments of ssh, among them the port.
func (w *writer) deployRSOptions(h *schema.Host) []string {
	args := w.sshArgs(h)
	if h.Port != 0 {
		args = append([]string{"-p", strconv.Itoa(h.Port)}, args...)
	}
	return args
}

// deployRSPrivilege says how root is had. The command of deploy-rs ends with an option
// that a user's name follows.
func (w *writer) deployRSPrivilege(d *schema.Attrs, h *schema.Host) {
	at := h.PosOf("privilege")
	switch h.Privilege {
	case schema.SudoPassword:
		put(d, schema.Bool{At: at, V: true}, "interactiveSudo")
	case schema.Doas:
		put(d, schema.String{At: at, V: "doas -n -u"}, "sudo")
	case schema.Run0:
		put(d, schema.String{At: at, V: "run0 --user"}, "sudo")
	case schema.Command:
		w.fail(at, "privilege of host %s: the format %s has words for sudo, doas and run0 only", h.Name, DeployRS)
	}
}

// configOf binds config to the configuration of a host.
func (w *writer) configOf(h *schema.Host) *syntax.Attr {
	return attr("config", &syntax.Select{X: ident("self"), Path: attrPath("nixosConfigurations", h.Name, "config")})
}
