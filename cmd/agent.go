package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/host"
	"muster/exec/local"
	"muster/exec/nixcmd"
	"muster/exec/objectstore"
	"muster/exec/pull"
	"muster/exec/release"
	"muster/schema"
)

// agentVerb is the agent's place in the help.
func agentVerb() entry {
	return entry{group: "fleet", use: "agent run", verb: &agentOptions{}, short: "on a host: take the release that is published for it",
		examples: exampleLines{
			{"muster agent run --from https://releases.example.com", "look once, and take what is new"},
			{"muster agent run --from s3://fleet --host web1", "say which host this machine is"},
		},
		long: `
Look once at the store of "muster publish". A release that is new, signed by one of the
keys and in time is taken: when the wave of this host may begin, its system is fetched,
with all signatures checked, and activated as "muster deploy" does, with a guard, health
checks, and a return to the former system where they fail or the store is out of reach.
What has become of it is written to the store, or posted to --report-to, signed with this
machine's SSH host keys.

A release is never replaced by one with a lower number, and a deployment by other means is
not undone by a release that was made before it. The timer of pull in the inventory runs
this command.

` + exitStatusHelp}
}

// agentOptions are those of the agent on a host.
type agentOptions struct {
	output   outputFlag
	ssh      sshFlags
	from     storeFlags
	keys     []archive.PublicKey
	hostKeys string
	reportTo string
	host     string
	state    string
	interval time.Duration
	timeout  time.Duration
}

func (o *agentOptions) groups() []group { return []group{&o.output, &o.ssh} }

func (o *agentOptions) addFlags(fs *flags.Set) {
	o.from.addFlag(fs, "from", "take releases from the store at this `URL`: %s")
	fs.Var(flags.ListOf(&o.keys, publicKey), "key", "believe releases that this public `key` has signed; several times for several (default those in "+releaseKeys+")")
	fs.Var(flags.FromEnvironment(&o.hostKeys, "MUSTER_HOST_KEYS", keyFiles), "host-keys", "sign reports with the SSH host keys in these `files`, with colons between them (default $MUSTER_HOST_KEYS, else those in /etc/ssh)")
	fs.Var(flags.FromEnvironment(&o.reportTo, "MUSTER_REPORT_TO", webURL), "report-to", "post reports to this `URL` instead of writing them to the store; $MUSTER_REPORT_AUTH is USER:PASSWORD or a token (default $MUSTER_REPORT_TO)")
	fs.Var(flags.Of(&o.host, "", hostName), "host", "this machine is the `host` of that name (default its own host name)")
	fs.Var(flags.Of(&o.state, "/var/lib/muster-agent", flags.NewDirectory()), "state", "keep the number of the last release in this `directory`")
	fs.Var(flags.Positive(&o.interval, 10*time.Minute), "interval", "the `time` between polls: while a wave waits, its progress is counted as often")
	addActivateTimeout(fs, &o.timeout)
}

func (o *agentOptions) check() error {
	if o.from.url == "" {
		return errors.New("agent run needs --from: the URL of the store")
	}
	return nil
}

func (o *agentOptions) run(ctx context.Context, std streams, _ []string) error {
	from, done, err := o.from.open(&o.ssh, std, func() *schema.Fleet { return nil })
	if err != nil {
		return err
	}
	defer done()
	if o.host == "" {
		name, err := os.Hostname()
		if err != nil {
			return fmt.Errorf("find this machine's name: %v", err)
		}
		o.host, _, _ = strings.Cut(name, ".")
	}
	keys, err := o.trusted()
	if err != nil {
		return err
	}
	s, err := begin(ctx, std, nil, needs{nix: true, ui: o.output.reporter})
	if err != nil {
		return err
	}
	defer s.close()
	m, err := local.New(local.Config{})
	if err != nil {
		return fmt.Errorf("agent run: %w", err)
	}
	signers, err := hostKeysIn(o.hostKeys)
	if err != nil {
		s.note("warning: reports are not signed, and open no gate: %v", err)
	}
	agent := &pull.Agent{
		Store: from, Keys: keys, Host: o.host, Dir: o.state, Version: version(), Fresh: o.interval,
		Machine: &agentMachine{session: s, machine: thisMachine{m}, root: filepath.Join(o.state, "system"), timeout: o.timeout},
	}
	agent.Signers = signers
	if o.reportTo != "" {
		agent.Inbox = pull.Hook{URL: o.reportTo, Authorization: objectstore.Authorization(os.Getenv(reportAuth))}
	}
	result, err := agent.Poll(ctx)
	if result.Text != "" {
		s.note("%s", result.Text)
	}
	switch {
	case err != nil:
		return err
	case result.Status == release.RolledBack:
		return exitError(exec.ExitRolledBack)
	case result.Status == release.Failed || result.Status == release.Retrying:
		return exitError(exec.ExitPartly)
	}
	return nil
}

// releaseKeys has the public keys that releases are signed with, one a line. Lines that begin with # are comments.
const releaseKeys = "/etc/muster/release-keys"

// trusted are the keys whose releases are believed.
func (o *agentOptions) trusted() ([]archive.PublicKey, error) {
	if len(o.keys) > 0 {
		return o.keys, nil
	}
	keys, err := keysIn(releaseKeys)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(keys) == 0 {
		return nil, usageError{fmt.Errorf("agent run needs --key, or a key in %s: the public key that releases are signed with", releaseKeys)}
	}
	return keys, err
}

// An agentMachine is this machine for its agent.
type agentMachine struct {
	*session
	machine thisMachine
	root    string // the garbage collector root of what was fetched
	timeout time.Duration
}

// lookLimit is how long this machine may take to say what it is on.
const lookLimit = time.Minute

func (m *agentMachine) Look(ctx context.Context) (host.State, []host.Deployment, error) {
	in, err := host.New(m.machine, lookLimit).Inspect(ctx, host.InspectRequest{History: true})
	if err != nil {
		return host.State{}, nil, fmt.Errorf("look at this machine: %w", err)
	}
	return in.State, in.History.Deployments, nil
}

func (m *agentMachine) Fetch(ctx context.Context, system store.Path, from objectstore.Store, keys []archive.PublicKey) error {
	url, done, err := objectstore.Serve(from)
	if err != nil {
		return err
	}
	defer done()
	sub := nixcmd.Substitution{From: url, Root: m.root}
	for _, k := range keys {
		sub.Keys = append(sub.Keys, k.String())
	}
	return m.nix.Substitute(ctx, system, sub, func(line string) { m.ui.Event(exec.Said{Stage: exec.Copy, Line: line}) })
}

func (m *agentMachine) Activate(ctx context.Context, plan *exec.Plan, who string, reachable func(context.Context) error) exec.Outcome {
	source, closeSource := wireLocal(m.nix)
	defer closeSource()
	connected := false
	connect := func(ctx context.Context, _ *schema.Host) (exec.Machine, error) {
		if connected { // to see whether the new system is well
			if err := reachable(ctx); err != nil {
				return nil, err
			}
		}
		connected = true
		return m.machine, nil
	}
	m.ui.Begin(ui.Run{ID: plan.Run, Action: plan.Action, Hosts: []string{plan.Steps[0].Host.Name}})
	outcomes := exec.Run(ctx, plan, exec.Options{
		Who: who, ActivateTimeout: m.timeout, Connect: connect, Builder: builtBefore(plan.Steps[0].System), Source: source, Sink: m.ui.Event,
	})
	m.ui.End(outcomes)
	return outcomes[0]
}
