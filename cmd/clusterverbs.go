package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/kube"
	"muster/exec/secret"
	"muster/schema"
)

func kubeconfigEntry() entry {
	return entry{group: "fleet", use: "kubeconfig [INVENTORY]", examples: exampleLines{{"muster kubeconfig --merge", "let kubectl reach the cluster for a day, as you"}, {"muster kubeconfig --lifetime 1h --out admin.kubeconfig", "write a file of its own, for an hour"}}, verb: &kubeconfigOptions{}, short: "make a kubeconfig for the cluster", long: `
Make a kubeconfig by which kubectl and others reach the Kubernetes cluster of the
inventory, and print it. Where muster makes the cluster's certificates (kluster.pki), it
has a new client certificate of your name that ends soon. Otherwise it has the
administrator's certificate that a master has, and the address of the API.

` + inventoryHelp}
}

// kubeconfigOptions are those of kubeconfig.
type kubeconfigOptions struct {
	reading  loadFlags
	ssh      sshFlags
	secrets  secretFlags
	out      string
	merge    bool
	name     string
	groups_  []string
	user     string
	lifetime time.Duration
}

func (o *kubeconfigOptions) groups() []group { return []group{&o.reading, &o.ssh, &o.secrets} }

// clientName is the kind of the name of a user or a group, in a client certificate.
var clientName = matching("name of a user or group", "a name such as ada or system:masters", `[A-Za-z0-9][A-Za-z0-9@:._-]{0,62}`)

func (o *kubeconfigOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Of(&o.out, "", flags.NewFile()), "out", "o", "write to this `file`, which only you can read")
	fs.Var(flags.Bool(&o.merge, false), "merge", "add the cluster to $KUBECONFIG or ~/.kube/config, or to the file of --out, and make it the current one")
	fs.Var(flags.Of(&o.name, "", clientName), "name", "the `name` of the cluster and the context (default the address of the API)")
	fs.Var(flags.Of(&o.user, "", clientName), "user", "the `name` in the certificate (default yours)")
	fs.Var(flags.ListOf(&o.groups_, clientName), "group", "a `group` in the certificate, as the API knows groups; several times for several (default system:masters)")
	fs.Var(flags.Positive(&o.lifetime, 24*time.Hour), "lifetime", "the certificate ends after this `duration`")
}

func (o *kubeconfigOptions) check() error { return nil }

func (o *kubeconfigOptions) run(ctx context.Context, std streams, args []string) error {
	s := &session{std: std}
	defer s.close()
	var err error
	if s.fleet, err = o.reading.load(ctx, args); err != nil {
		return err
	}
	k := s.fleet.Kluster
	if k == nil {
		return errNoKluster
	}
	config := &kube.Kubeconfig{
		Name: cmp.Or(o.name, s.fleet.APIHost()), User: cmp.Or(o.user, userName()),
		Server: "https://" + s.fleet.APIAddress(),
	}
	if k.PKI != "" && k.Distribution == schema.Kubernetes {
		config.Credentials, err = o.certify(s.fleet, config.User)
	} else {
		config.Credentials, err = o.fetch(ctx, s)
	}
	if err != nil {
		return err
	}
	return o.write(std, config)
}

// userName is the name of the user at this machine.
func userName() string {
	name, _, _ := strings.Cut(operator(), "@")
	return cmp.Or(name, "muster")
}

// certify makes a client certificate, signed by the cluster's authority.
func (o *kubeconfigOptions) certify(fleet *schema.Fleet, user string) (*kube.Credentials, error) {
	k, reader := fleet.Kluster, o.secrets.reader(fleet.Dir)
	authority, err := reader.Age(k.Authority())
	if err != nil {
		return nil, fmt.Errorf("the cluster's authority: %w", err)
	}
	pki, err := readAuthorities(fleet.Dir, k.PKI, true)
	if err != nil {
		return nil, err
	}
	groups := o.groups_
	if len(groups) == 0 {
		groups = []string{"system:masters"}
	}
	key, certificate, err := secret.ClientCertificate(user, groups, o.lifetime, authority, time.Now())
	if err != nil {
		return nil, fmt.Errorf("the cluster's authority: %w", err)
	}
	return &kube.Credentials{CA: pki.CA, Cert: certificate, Key: key}, nil
}

// fetch reads the administrator's certificate from a master.
func (o *kubeconfigOptions) fetch(ctx context.Context, s *session) (*kube.Credentials, error) {
	if len(o.groups_) > 0 || o.user != "" {
		return nil, errors.New("--user and --group need kluster.pki: without it, the certificate is the administrator's that a master has")
	}
	c, err := s.clusterOf(&o.ssh)
	if err != nil {
		return nil, err
	}
	return c.Credentials(ctx)
}

// write prints the kubeconfig, or writes it to a file.
func (o *kubeconfigOptions) write(std streams, config *kube.Kubeconfig) error {
	file := o.out
	if o.merge && file == "" {
		file, _, _ = strings.Cut(os.Getenv("KUBECONFIG"), string(os.PathListSeparator))
		if home, err := os.UserHomeDir(); file == "" && err == nil {
			file = filepath.Join(home, ".kube", "config")
		}
	}
	var former []byte
	if o.merge {
		text, err := foreign.ReadFile(file, foreign.Limits{Size: 4 << 20, Links: true})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("read the kubeconfig: %w", err)
		}
		former = text
	}
	text, err := config.Merge(former)
	if err != nil {
		return err
	}
	if file == "" {
		_, err := std.out.Write(text)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := writePrivate(file, text); err != nil {
		return fmt.Errorf("write the kubeconfig: %w", err)
	}
	fmt.Fprintf(std.err, "wrote %s: context %s, user %s; now: kubectl get nodes\n", file, config.Name, config.User)
	return nil
}

func clusterStatusEntry() entry {
	return entry{group: "fleet", use: "cluster status [INVENTORY]", examples: exampleLines{{"muster cluster status", "ask the API and etcd how the cluster is"}, {"muster cluster status --output json", "for programs"}}, verb: &clusterOptions{}, short: "show the nodes and the etcd of the cluster", long: `
Ask the API server and etcd, through a master, for the nodes of the cluster, their
versions, who cordoned them, and the health of the members of etcd. Certificates that end
soon are named. The exit status is 0 if all is well, and 3 otherwise.

` + inventoryHelp}
}

// clusterOptions are those of cluster status.
type clusterOptions struct {
	noRules
	reading loadFlags
	ssh     sshFlags
	format  string
}

func (o *clusterOptions) groups() []group { return []group{&o.reading, &o.ssh} }

func (o *clusterOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
}

func (o *clusterOptions) run(ctx context.Context, std streams, args []string) error {
	s := &session{std: std}
	defer s.close()
	var err error
	if s.fleet, err = o.reading.load(ctx, args); err != nil {
		return err
	}
	c, err := s.clusterOf(&o.ssh)
	if err != nil {
		return err
	}
	state, err := c.Status(ctx)
	if err != nil {
		return err
	}
	if o.format == outputJSON {
		return ui.JSON(std.out, state)
	}
	well := printCluster(std.out, state)
	if !printEnding(std.out, s.fleet) || !well {
		return exitError(exec.ExitPartly)
	}
	return nil
}

func clusterRemoveEntry() entry {
	return entry{group: "fleet", use: "cluster remove NODE [INVENTORY]", examples: exampleLines{{"muster cluster remove h7", "take a host that left the inventory out of the cluster"}, {"muster cluster remove h7 --yes", "and ask nothing"}}, verb: &clusterRemoveOptions{}, short: "take a node out of the cluster for good", long: `
Drain NODE, take its member out of etcd and delete the node, for a host that the
inventory no longer has. The other members of etcd have to keep their quorum, which is
asked before anything is done. A node that is not ready is not drained.

` + inventoryHelp}
}

// clusterRemoveOptions are those of cluster remove.
type clusterRemoveOptions struct {
	noRules
	reading loadFlags
	ssh     sshFlags
	yes     bool
}

func (o *clusterRemoveOptions) groups() []group { return []group{&o.reading, &o.ssh} }

func (o *clusterRemoveOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "do not ask")
}

func (o *clusterRemoveOptions) run(ctx context.Context, std streams, args []string) error {
	s := &session{std: std}
	defer s.close()
	node := args[0]
	var err error
	if s.fleet, err = o.reading.load(ctx, args[1:]); err != nil {
		return err
	}
	if h := s.fleet.Host(node); h != nil && s.fleet.Kluster != nil && s.fleet.Kluster.Member(h) != nil {
		return fmt.Errorf("%s is in the inventory: the next deployment would add it again; remove it there first", node)
	}
	c, err := s.clusterOf(&o.ssh)
	if err != nil {
		return err
	}
	if !o.yes {
		if !ui.CanAnswer(std.in) {
			return fmt.Errorf("remove %s: nobody is there to agree: add --yes", node)
		}
		if err := ui.Ask(ctx, std.in, std.err, fmt.Sprintf("take node %s out of the cluster for good? [y/N] ", node)); err != nil {
			return err
		}
	}
	return c.Remove(ctx, node, exec.NewRunID(), func(change, text string) {
		fmt.Fprintln(std.out, strings.TrimSpace(change+" "+text))
	})
}
