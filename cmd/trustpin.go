package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"muster/cmd/ui"
	"muster/exec/foreign"
	"muster/exec/remote"
	"muster/schema"
)

// pin writes the keys, once the user has agreed.
func (t *trusting) pin(ctx context.Context) error {
	var pins []*trusted
	for _, h := range t.hosts {
		if h.toPin() {
			pins = append(pins, h)
		}
	}
	if len(pins) == 0 {
		return nil
	}
	if t.options.knownHosts {
		if err := t.agree(ctx, pins, "known_hosts"); err != nil {
			return err
		}
		return t.pinKnownHosts(ctx, pins)
	}
	files, err := t.edit(ctx, pins)
	if err != nil {
		return err
	}
	var names []string
	for _, f := range files {
		names = append(names, shownFile(f.name))
	}
	if err := t.agree(ctx, pins, strings.Join(names, ", ")); err != nil {
		return err
	}
	if err := writePinned(files); err != nil {
		return err
	}
	for _, f := range files {
		for _, h := range f.hosts {
			h.pinned(shownFile(f.name))
		}
	}
	return nil
}

// pinned says where the key is now.
func (h *trusted) pinned(file string) {
	h.File = file
	if h.State = keyPinned; h.replaced {
		h.State = keyReplaced
	}
	h.target.HostKeys = []string{h.key}
}

// agree asks whether the keys are those of the hosts, unless the user said so already.
func (t *trusting) agree(ctx context.Context, pins []*trusted, where string) error {
	if t.options.yes {
		return nil
	}
	var names []string
	for _, h := range pins {
		names = append(names, h.Name)
	}
	what := fmt.Sprintf("pin the host keys of %s in %s", someOf(names), where)
	if !ui.CanAnswer(t.std.in) {
		return hinted{fmt.Errorf("nothing is written: to %s needs --yes, or a yes on a terminal", what), "compare the fingerprints with those that ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub prints on the machines, or have --expect compare them"}
	}
	err := ui.Ask(ctx, t.std.in, t.std.err, what+"? [y/N] ")
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("nothing is written")
	}
	return err
}

// pinKnownHosts adds the keys to known_hosts.
func (t *trusting) pinKnownHosts(ctx context.Context, pins []*trusted) error {
	for _, h := range pins {
		file, err := t.dialer.AddKnownHost(ctx, h.target, h.key, h.replaced)
		if err != nil {
			h.fail(err)
			t.explain(h)
			continue
		}
		h.pinned(file)
		h.target.HostKeys = nil
	}
	return nil
}

// A pinnedFile is a file of the inventory, with the hosts whose keys it gets.
type pinnedFile struct {
	name          string
	hosts         []*trusted
	before, after []byte
}

// edit makes the texts of the inventory with the keys, and sees that they mean what is
// meant.
func (t *trusting) edit(ctx context.Context, pins []*trusted) ([]*pinnedFile, error) {
	main, _, err := schema.Find(inventory(t.where))
	if err != nil {
		return nil, inventoryError{err}
	}
	if main, err = filepath.Abs(main); err != nil {
		return nil, err
	}
	var files []*pinnedFile
	for _, h := range pins {
		if files, err = t.fileOf(files, main, h); err != nil {
			return nil, t.byHand(pins, err)
		}
	}
	texts := map[string][]byte{}
	for _, f := range files {
		if f.after, err = schema.SetHostKeys(f.name, f.before, f.name == main, hostKeys(f.hosts)); err != nil {
			return nil, t.byHand(pins, fmt.Errorf("pin host keys in %s: %w", shownFile(f.name), err))
		}
		texts[f.name] = f.after
	}
	if err := t.verify(ctx, pins, texts); err != nil {
		return nil, t.byHand(pins, err)
	}
	return files, nil
}

// fileOf adds a host to the file of the inventory that has it.
func (t *trusting) fileOf(files []*pinnedFile, main string, h *trusted) ([]*pinnedFile, error) {
	at := h.host.PosOf("host_keys")
	name, err := filepath.Abs(at.File)
	if err != nil || at.File == "" {
		name = main
	}
	i := slices.IndexFunc(files, func(f *pinnedFile) bool { return f.name == name })
	if i < 0 {
		text, err := readInventoryFile(name)
		if err != nil {
			return nil, err
		}
		files, i = append(files, &pinnedFile{name: name, before: text}), len(files)
	}
	files[i].hosts = append(files[i].hosts, h)
	return files, nil
}

// hostKeys are the keys that hosts are to have.
func hostKeys(hosts []*trusted) (keys []schema.HostKeys) {
	for _, h := range hosts {
		keys = append(keys, schema.HostKeys{Host: h.Name, Keys: []string{h.key}})
	}
	return keys
}

func readInventoryFile(name string) ([]byte, error) {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
	if err != nil {
		return nil, fmt.Errorf("pin host keys: %v", err)
	}
	return text, nil
}

// verify loads the inventory as it is to be: the hosts have the keys, and no other host
// has changed.
func (t *trusting) verify(ctx context.Context, pins []*trusted, texts map[string][]byte) error {
	fleet, err := schema.Load(ctx, inventory(t.where), t.options.selection.reading.options(texts))
	var problems schema.Errors
	if errors.As(err, &problems) {
		err = problems.Invalid()
	}
	if err != nil {
		return fmt.Errorf("the inventory is left as it is, for with the keys it would be wrong: %v", err)
	}
	keys := map[string][]string{}
	for _, h := range t.fleet.Hosts {
		keys[h.Name] = h.HostKeys
	}
	for _, h := range pins {
		keys[h.Name] = []string{h.key}
	}
	for _, h := range fleet.Hosts {
		want := keys[t.fleet.Machine(t.fleet.Host(h.Name)).Name]
		if !slices.ContainsFunc(pins, func(p *trusted) bool { return p.Name == h.Name }) {
			if m := fleet.Machine(h); m == h && !slices.Equal(h.HostKeys, want) {
				return fmt.Errorf("the inventory is left as it is, for the host keys of %s would change too", h.Name)
			}
			continue
		}
		if len(h.HostKeys) == 0 || !schema.SameKey(h.HostKeys[0], want[0]) {
			return fmt.Errorf("the inventory is left as it is, for %s would not have its key: it has host_keys elsewhere", h.Name)
		}
	}
	if len(fleet.Hosts) != len(t.fleet.Hosts) {
		return errors.New("the inventory is left as it is, for it would have other hosts")
	}
	return nil
}

// byHand shows the lines to write where the inventory has a form that is not edited.
func (t *trusting) byHand(pins []*trusted, err error) error {
	lines, e := schema.SetHostKeys("hosts.cue", nil, true, hostKeys(pins))
	if e != nil {
		return e
	}
	fmt.Fprintf(t.std.err, "The keys, in CUE:\n%s", lines)
	return hinted{err, "write the keys where the inventory has the hosts; or keep them in known_hosts, with --known-hosts"}
}

// writePinned writes all files or none. A file that has changed since it was read stays.
func writePinned(files []*pinnedFile) error {
	for _, f := range files {
		now, err := readInventoryFile(f.name)
		if err != nil {
			return err
		}
		if !bytes.Equal(now, f.before) {
			return fmt.Errorf("nothing is written: %s has changed meanwhile", shownFile(f.name))
		}
	}
	for i, f := range files {
		if err := writeFile(f.name, f.after); err != nil {
			for _, done := range files[:i] {
				writeFile(done.name, done.before)
			}
			return err
		}
	}
	return nil
}

// What becomes of the login of a host.
const (
	loginByKey     = "key"
	loginInstalled = "installed"
)

// publicKey is the key to install, "" for the first of those that a host is offered.
func (o *trustOptions) publicKey() (string, error) {
	if o.key == "" {
		return "", nil
	}
	key, err := remote.ReadPublicKey(o.key)
	if err != nil {
		return "", usageError{fmt.Errorf("--key %s: %w", o.key, err)}
	}
	return key, nil
}

// letIn installs a public key on the hosts that let nobody in by one, and sees that it
// lets in then.
func (t *trusting) letIn(ctx context.Context, key string) error {
	t.each(func(h *trusted) {
		h.target.Client = remote.BuiltIn // the system's ssh would ask for the password itself
		switch m, err := t.dialer.Dial(ctx, h.target); {
		case err == nil:
			m.Close()
			h.Login = loginByKey
		case !errors.Is(err, remote.ErrAuth) && !errors.Is(err, remote.ErrNoAlgorithm):
			h.failLogin(t, err)
		}
	})
	var asked []string
	for _, h := range t.hosts {
		if h.err == nil && h.Login == "" {
			asked = append(asked, h.Name)
		}
	}
	if len(asked) == 0 {
		return context.Cause(ctx)
	}
	hideMemory()
	password, err := askPassword(ctx, fmt.Sprintf("password of %s: ", someOf(asked)))
	if err != nil {
		return fmt.Errorf("ask for the password: %v", err)
	}
	defer clear(password)
	t.each(func(h *trusted) {
		if h.Login == "" {
			if err := t.install(ctx, h, key, password); err != nil {
				h.failLogin(t, err)
			}
		}
	})
	return context.Cause(ctx)
}

// failLogin says why a host lets nobody in. Its key stays pinned.
func (h *trusted) failLogin(t *trusting, err error) {
	h.err, h.Err = err, err.Error()
	t.explaining.Lock()
	defer t.explaining.Unlock()
	t.explain(h)
}

// install puts a key on one host, over a connection by password, and connects anew.
func (t *trusting) install(ctx context.Context, h *trusted, key string, password []byte) error {
	if key == "" {
		var err error
		if key, err = t.dialer.OfferedKey(ctx, h.target); err != nil {
			return err
		}
		if key == "" {
			return hinted{errors.New("there is no key to install: the ssh-agent is empty, and no IdentityFile is there"), "make one with ssh-keygen -t ed25519, or name one with --key"}
		}
		key += " " + operator()
	}
	byPassword := h.target
	byPassword.Password = password
	m, err := t.dialer.Dial(ctx, byPassword)
	if errors.Is(err, remote.ErrNoAlgorithm) {
		return hinted{err, "muster sends passwords only by itself: install the key with ssh-copy-id " + h.target.Address}
	}
	if err != nil {
		return passwordHint(h, err)
	}
	added, err := m.Authorize(ctx, key)
	m.Close()
	if err != nil {
		return passwordHint(h, err)
	}
	if m, err = t.dialer.Dial(ctx, h.target); err != nil {
		file := "was there already"
		if added {
			file = "is there now"
		}
		return hinted{fmt.Errorf("the key %s in ~/.ssh/authorized_keys, and does not let one in: %w", file, err),
			"see AuthorizedKeysFile, PubkeyAuthentication and StrictModes in the sshd_config of the machine, and that the key's private half is in the ssh-agent or an IdentityFile"}
	}
	m.Close()
	h.Login = loginInstalled
	return nil
}

// passwordHint says what to do about a login by password that did not succeed.
func passwordHint(h *trusted, err error) error {
	switch {
	case errors.Is(err, remote.ErrPasswordExpired):
		return hinted{err, "log in once and change it: muster ssh " + h.Name}
	case errors.Is(err, remote.ErrAuth):
		return hinted{err, "a password is sent once to each host: run muster trust --password again, with --on for hosts that have another one"}
	}
	return err
}
