package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"muster/cmd/ui"
	"muster/compile/syntax"
	"muster/exec/adopt"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/remote"
	"muster/schema"
)

// lookAtAll reads what the machines are made of, several at once, and then says, one after
// the other, what each means for the inventory: a name is given once. A machine that fails
// does not keep the others from it.
func (a *adoption) lookAtAll(ctx context.Context, dialer *remote.Dialer) {
	var all sync.WaitGroup
	working := make(chan struct{}, a.options.jobs.jobs)
	for _, m := range a.machines {
		working <- struct{}{}
		all.Go(func() {
			defer func() { <-working }()
			m.err = a.look(ctx, dialer, m)
		})
	}
	all.Wait()
	for _, m := range a.machines {
		if m.err == nil {
			m.err = a.place(m)
		}
		if m.err != nil {
			m.State, m.Err = "failed", m.err.Error()
		}
	}
}

// look connects to a machine and reads what it is made of.
func (a *adoption) look(ctx context.Context, dialer *remote.Dialer, m *adopted) error {
	for _, h := range a.fleet.Hosts {
		for _, w := range h.Ways() {
			if w.Address == m.way.Address && (w.Port == m.way.Port || m.way.Port == 0) {
				m.known, m.Name = h, h.Name
			}
		}
	}
	machine, err := a.connect(ctx, dialer, m)
	if err != nil {
		return err
	}
	defer machine.Close()
	m.way.HostKey = machine.HostKey()
	m.Hardware, err = host.New(machine, adoptLimit).Hardware(ctx)
	return err
}

// place says what a machine means for the inventory.
func (a *adoption) place(m *adopted) error {
	m.Notes = adopt.Notes(m.Hardware)
	if m.known != nil {
		return a.compare(m)
	}
	if err := a.nameIt(m); err != nil {
		return err
	}
	if m.known != nil {
		return a.compare(m)
	}
	m.entry = adopt.Entry(m.Name, m.way, m.Hardware)
	m.Notes = append(m.Notes, adopt.EntryNotes(m.way, m.Hardware)...)
	m.State = "would adopt"
	var text bytes.Buffer
	if err := syntax.Fprint(&text, adopt.Module(m.Hardware)); err != nil {
		return fmt.Errorf("write the module of its hardware: %v", err)
	}
	m.module = text.Bytes()
	return nil
}

// connect connects to a machine. The host key of one that is unknown is accepted as the
// user says.
func (a *adoption) connect(ctx context.Context, dialer *remote.Dialer, m *adopted) (machine, error) {
	h := &schema.Host{Name: m.way.Address, Address: m.way.Address, Privilege: a.privilege(m.way)}
	if m.known != nil {
		known := *m.known
		h = &known
	}
	h.User, h.Port = m.way.User, m.way.Port
	if m.known != nil {
		h.Port = m.known.Port
	}
	if h.Privilege != schema.Root {
		m.way.Privilege = string(h.Privilege)
	}
	t := target(h, h.Ways()[0])
	if h.Privilege == schema.SudoPassword {
		t.SudoPassword = a.password
	}
	connection, err := dialer.Dial(ctx, t)
	var unknown *remote.HostKeyError
	if errors.As(err, &unknown) && errors.Is(err, remote.ErrHostKeyUnknown) {
		if err := a.acceptKey(ctx, unknown); err != nil {
			return machine{}, err
		}
		t.AcceptHostKey = unknown.Offered.SHA256
		connection, err = dialer.Dial(ctx, t)
	}
	if err != nil {
		return machine{}, err
	}
	return machine{connection}, nil
}

// privilege is how a user becomes root.
func (a *adoption) privilege(way adopt.Way) schema.Privilege {
	if a.options.privilege == schema.Root && way.User != "root" {
		return schema.Sudo
	}
	return a.options.privilege
}

// acceptKey asks whether an unknown host key is the machine's, unless the user said so
// already.
func (a *adoption) acceptKey(ctx context.Context, key *remote.HostKeyError) error {
	a.asking.Lock()
	defer a.asking.Unlock()
	if slices.Contains(a.options.accept, key.Offered.SHA256) {
		return nil
	}
	if !ui.CanAnswer(a.std.in) {
		return unacceptedKey{key}
	}
	err := ui.Ask(ctx, a.std.in, a.std.err, fmt.Sprintf("%s presents the host key %s, which is not known.\nCompare it with the machine's: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub\nIs it the machine's? [y/N] ", key.Addr, key.Offered))
	if errors.Is(err, ui.ErrDeclined) {
		return unacceptedKey{key}
	}
	return err
}

// An unacceptedKey is an unknown host key that the user has not accepted.
type unacceptedKey struct{ *remote.HostKeyError }

func (e unacceptedKey) Unwrap() error { return e.HostKeyError }

// nameIt names a machine that the inventory does not have under its address.
func (a *adoption) nameIt(m *adopted) error {
	m.Name = a.options.name
	if m.Name == "" {
		m.Name, _, _ = strings.Cut(m.Hardware.Name, ".")
		if _, err := hostName.Parse(m.Name); err != nil {
			return fmt.Errorf("its host name is %q, which is none for a host of an inventory: give it one with --name", m.Hardware.Name)
		}
		if slices.Contains([]string{"localhost", "nixos", "debian"}, strings.ToLower(m.Name)) {
			return fmt.Errorf("its host name is %q, by which it is not told from others: give it one with --name", m.Hardware.Name)
		}
	}
	for _, other := range a.machines {
		if other != m && other.Name == m.Name {
			return fmt.Errorf("its host name is %s, and so is that of %s: adopt one of them with --name", m.Name, other.Address)
		}
	}
	h := a.fleet.Host(m.Name)
	if h == nil {
		return nil
	}
	keys := adopt.HostKeys(m.way, m.Hardware)
	same := func(k string) bool {
		return slices.ContainsFunc(keys, func(o string) bool { return strings.HasPrefix(k+" ", o+" ") })
	}
	if slices.ContainsFunc(h.HostKeys, same) {
		m.known = h
		if !slices.ContainsFunc(h.Ways(), func(w schema.Way) bool { return w.Address == m.way.Address }) {
			m.Differences = append(m.Differences, adopt.Difference{What: "host", In: h.PosOf("host").String(), Says: h.Address, Machine: m.way.Address})
		}
		return nil
	}
	return fmt.Errorf("the inventory has another %s, at %s: give this one another name with --name", m.Name, h.PosOf("host"))
}

// compare says in what a machine differs from what the inventory has of it.
func (a *adoption) compare(m *adopted) error {
	file := filepath.Join(a.dir, adopt.File(m.Name))
	m.Differences = append(m.Differences, adopt.CompareHost(a.fleet, m.known, m.way, m.Hardware)...)
	module, err := readModule(file)
	if err != nil {
		return err
	}
	inModule := adopt.CompareModule(adopt.File(m.Name), module, m.known, m.Hardware)
	m.Differences = append(m.Differences, inModule...)
	if m.State = "unchanged"; len(m.Differences) > 0 {
		m.State = "differs"
	}
	if !a.options.update {
		return nil
	}
	m.edits = adopt.Edits(m.known, m.way, m.Hardware, m.Differences)
	if len(inModule) == 0 {
		return nil
	}
	next := adopt.Module(m.Hardware)
	if module != nil {
		if next, err = adopt.Update(module, m.known, m.Hardware); err != nil {
			return fmt.Errorf("update %s: %w", adopt.File(m.Name), err)
		}
	}
	var text bytes.Buffer
	if err := syntax.Fprint(&text, next); err != nil {
		return fmt.Errorf("update %s: %v", adopt.File(m.Name), err)
	}
	m.module = text.Bytes()
	return nil
}

// readModule reads a hardware module, or returns nil where there is none.
func readModule(file string) (*syntax.File, error) {
	text, err := foreign.ReadFile(file, foreign.Limits{Size: 1 << 20, Time: foreign.Time, Links: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the module of its hardware: %v", err)
	}
	return syntax.ParseFile(file, text, syntax.Options{Comments: true})
}
