package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/human"
	"muster/exec/remote"
	"muster/schema"
)

func trustEntry() entry {
	return entry{group: "fleet", use: "trust [INVENTORY]", examples: exampleLines{{"muster trust --on web1", "show the host key of web1, and pin it after a yes"}, {"muster trust --password --on web1", "install your public key where only a password lets you in"}}, verb: &trustOptions{}, short: "pin the SSH host keys of new hosts", long: `
Connect to the hosts whose host keys are not known, by the way that every verb takes,
show the address, the type and the fingerprint of each key, and after a yes pin the keys
in the inventory, or with --known-hosts in known_hosts. A host that presents another key
than it had is only given a new one with --replace.

--expect checks the keys against what a cloud's console or "ssh-keygen -l" on the machine
says: fingerprints or public keys, in any text. A line that begins with the name of a host
is about that host.

--password installs a public key on hosts that let you in by a password alone, such as a
rescue system: it is asked for once, on the terminal, and sent once to each host, after the
host key is known.

` + inventoryHelp + "\n\n" + exitStatusHelp}
}

// trustOptions are those of trust, which pins host keys.
type trustOptions struct {
	selection  selectFlags
	ssh        sshFlags
	output     outputFlag
	jobs       jobsFlag
	expect     []string
	knownHosts bool
	replace    []string
	password   bool
	key        string
	yes        bool
}

func (o *trustOptions) groups() []group {
	return []group{&o.selection, &o.ssh, &o.output, &o.jobs}
}

func (o *trustOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.ListOf(&o.expect, expectation), "expect", "accept only keys with these `fingerprints`: %s; several times for several")
	fs.Var(flags.Bool(&o.knownHosts, false), "known-hosts", "add the keys to known_hosts instead of the inventory")
	fs.Var(flags.ListOf(&o.replace, fleetHost), "replace", "give `HOST`, which was reinstalled, the key that it presents in place of the former one; several times for several")
	fs.Var(flags.Bool(&o.password, false), "password", "install a public key on hosts that let you in by a password alone")
	fs.Var(flags.Of(&o.key, "", flags.Existing()), "key", "install the public key in this `file` (default the first of the ssh-agent or IdentityFile)")
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "do not ask before keys are pinned")
}

func (o *trustOptions) check() error {
	if o.key != "" && !o.password {
		return errors.New("--key needs --password")
	}
	return nil
}

// fleetHost is the kind of the name of a host of the fleet.
var fleetHost = matching("name of a host", "the name of a host of the inventory", hostNamePattern)

// hostNamePattern is the form of the name of a host.
const hostNamePattern = `[A-Za-z0-9][A-Za-z0-9._-]{0,252}`

// A trusting looks at the host keys of hosts, and pins them.
type trusting struct {
	options  *trustOptions
	std      streams
	fleet    *schema.Fleet
	dialer   *remote.Dialer
	expected expectations
	hosts    []*trusted
	where    []string // the arguments that name the inventory

	explaining sync.Mutex // held while an error is printed
}

// A trusted is what became of one host.
type trusted struct {
	Name        string   `json:"host"`
	Address     string   `json:"address,omitempty"`
	Type        string   `json:"type,omitempty"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	State       keyState `json:"state"`
	Expected    bool     `json:"expected,omitempty"` // by --expect
	File        string   `json:"file,omitempty"`     // that the key was pinned in
	Login       string   `json:"login,omitempty"`    // "key", or "installed" where the key was put there
	Err         string   `json:"error,omitempty"`

	host   *schema.Host
	target remote.Target // the way that answered
	key    string
	// replaced says that the host had another key.
	replaced bool
	err      error
}

// A keyState is what is known of a host key.
type keyState string

const (
	keyKnown    keyState = "known"
	keyNew      keyState = "new"
	keyChanged  keyState = "changed"
	keyPinned   keyState = "pinned"
	keyReplaced keyState = "replaced"
	keyFailed   keyState = "failed"
)

// toPin reports whether the key is to be pinned.
func (h *trusted) toPin() bool { return h.err == nil && (h.State == keyNew || h.State == keyChanged) }

// fail says why a host is left as it is.
func (h *trusted) fail(err error) { h.State, h.err, h.Err = keyFailed, err, err.Error() }

func (o *trustOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	t := &trusting{options: o, std: std, fleet: s.fleet, where: args}
	if err := t.choose(s); err != nil {
		return err
	}
	if t.expected, err = readExpectations(std, s.fleet, o.expect); err != nil {
		return err
	}
	install := ""
	if o.password {
		if install, err = o.publicKey(); err != nil {
			return err
		}
	}
	t.dialer = remote.NewDialer(remoteConfig(&o.ssh, s.warn))
	defer t.dialer.Close()
	t.each(func(h *trusted) { t.look(ctx, h) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	t.show()
	if err := t.pin(ctx); err != nil {
		t.report()
		return err
	}
	if o.password {
		if err := t.letIn(ctx, install); err != nil {
			t.report()
			return err
		}
	}
	t.report()
	return t.status()
}

// choose takes the machines of the chosen hosts that SSH leads to.
func (t *trusting) choose(s *session) error {
	var local []string
	seen := map[*schema.Host]bool{}
	for _, h := range s.hosts {
		h = s.fleet.Machine(h)
		switch {
		case seen[h]:
			continue
		case h.Unconnected || h.Local && h.Address == "":
			local = append(local, h.Name)
			continue
		}
		seen[h] = true
		one := &trusted{Name: h.Name, host: h}
		if err := s.unaddressed[h.Name]; err != nil {
			one.fail(err)
		}
		t.hosts = append(t.hosts, one)
	}
	if len(local) > 0 {
		fmt.Fprintf(t.std.err, "note: left out, because SSH does not lead there: %s\n", someOf(local))
	}
	for _, name := range t.options.replace {
		if !slices.ContainsFunc(t.hosts, func(h *trusted) bool { return h.Name == name }) {
			return usageError{fmt.Errorf("--replace %s: no host of that name is chosen", name)}
		}
	}
	return nil
}

// each does something for all hosts that have not failed, several at once.
func (t *trusting) each(do func(*trusted)) {
	var all sync.WaitGroup
	working := make(chan struct{}, t.options.jobs.jobs)
	for _, h := range t.hosts {
		if h.err != nil {
			continue
		}
		working <- struct{}{}
		all.Go(func() {
			defer func() { <-working }()
			do(h)
		})
	}
	all.Wait()
}

// look finds the key of a host, by the first of its ways that answers.
func (t *trusting) look(ctx context.Context, h *trusted) {
	var failed []error
	for _, way := range h.host.Ways() {
		h.target = target(h.host, way)
		h.target.Client = clientOf(t.options.ssh.client, h.host)
		p, err := t.dialer.HostKey(ctx, h.target)
		if err == nil {
			t.judge(ctx, h, p)
			return
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	h.fail(noWay(failed))
}

// judge says what is to become of a key.
func (t *trusting) judge(ctx context.Context, h *trusted, p *remote.Presented) {
	p = t.expectedOne(ctx, h, p)
	h.Address, h.Type, h.Fingerprint, h.key = p.Addr, p.Type, p.SHA256, p.Key
	h.Expected = t.expected.has(h.Name, p)
	replace := slices.Contains(t.options.replace, h.Name)
	switch {
	case t.expected.names(h.Name) && !h.Expected, p.Verdict != nil && t.expected.any() && !h.Expected:
		h.fail(unexpectedKey{h.Name, p.Fingerprint})
	case p.Verdict == nil:
		h.State = keyKnown
	case errors.Is(p.Verdict, remote.ErrHostKeyUnknown):
		h.State = keyNew
	case errors.Is(p.Verdict, remote.ErrHostKeyChanged) && replace:
		h.State, h.replaced = keyChanged, true
	case errors.Is(p.Verdict, remote.ErrHostKeyChanged):
		h.fail(hinted{p.Verdict, fmt.Sprintf("if %[1]s was reinstalled, pin its new key with muster trust --on %[1]s --replace %[1]s; if not, this may be a man-in-the-middle attack", h.Name)})
	default:
		h.fail(p.Verdict)
	}
}

// expectedOne is the key that was presented or, where that is not expected, another one
// of the host that is.
func (t *trusting) expectedOne(ctx context.Context, h *trusted, p *remote.Presented) *remote.Presented {
	if !t.expected.any() || t.expected.has(h.Name, p) || p.Verdict == nil {
		return p
	}
	for _, kind := range keyTypes {
		if kind == p.Type {
			continue
		}
		other, err := t.dialer.HostKey(ctx, h.target, kind)
		if err == nil && t.expected.has(h.Name, other) {
			return other
		}
	}
	return p
}

// keyTypes are the types of keys that sshd makes for a machine.
var keyTypes = []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}

// An unexpectedKey is a key that --expect does not name.
type unexpectedKey struct {
	name string
	key  remote.Fingerprint
}

func (e unexpectedKey) Error() string {
	return fmt.Sprintf("host key not expected: %s presents %s, which --expect does not name", e.name, e.key)
}

// show prints the keys of all hosts, for the user to compare.
func (t *trusting) show() {
	if t.options.output.format == outputJSON {
		return
	}
	table := ui.NewTable(t.std.out, "host", "address", "type", "fingerprint", "key")
	for _, h := range t.hosts {
		table.Row(h.Name, h.Address, h.Type, h.Fingerprint, t.word(h))
	}
	table.Flush()
	for _, h := range t.hosts {
		t.explain(h)
	}
}

// word says what is known of a key, in the table.
func (t *trusting) word(h *trusted) string {
	word := string(h.State)
	switch {
	case errors.As(h.err, new(unexpectedKey)):
		return "not expected"
	case errors.Is(h.err, remote.ErrHostKeyChanged):
		return "changed"
	case h.err == nil && h.Expected:
		word += ", as expected"
	}
	return word
}

// explain says why a host failed.
func (t *trusting) explain(h *trusted) {
	if h.err == nil || t.options.output.format == outputJSON {
		return
	}
	fmt.Fprintf(t.std.err, "%s: %v\n", h.Name, h.err)
	if text := hint(h.Name, h.err); text != "" {
		fmt.Fprintf(t.std.err, "hint: %s\n", text)
	}
}

// report prints what became of the hosts.
func (t *trusting) report() {
	if t.options.output.format == outputJSON {
		ui.JSON(t.std.out, t.hosts)
		return
	}
	counts := map[keyState]int{}
	installed, shut := 0, 0
	for _, h := range t.hosts {
		counts[h.State]++
		switch {
		case h.Login == loginInstalled:
			installed++
		case h.err != nil && h.State != keyFailed:
			shut++
		}
	}
	var words []string
	for _, state := range []keyState{keyPinned, keyReplaced, keyKnown, keyNew, keyChanged, keyFailed} {
		if n := counts[state]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, state))
		}
	}
	if installed > 0 {
		words = append(words, fmt.Sprintf("login key installed on %d", installed))
	}
	if shut > 0 {
		words = append(words, fmt.Sprintf("no login on %d", shut))
	}
	fmt.Fprintf(t.std.out, "%s: %s\n", human.Count(len(t.hosts), "host"), strings.Join(words, ", "))
}

// status is the exit status, as an error.
func (t *trusting) status() error {
	failed := 0
	for _, h := range t.hosts {
		if h.err != nil {
			failed++
		}
	}
	switch failed {
	case 0:
		return nil
	case len(t.hosts):
		return exitError(exec.ExitFailed)
	}
	return exitError(exec.ExitPartly)
}
