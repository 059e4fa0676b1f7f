package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile"
	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/adopt"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/remote"
	"muster/schema"
)

// adoptOptions are those of adopt, which brings running machines into the inventory.
type adoptOptions struct {
	reading   loadFlags
	ssh       sshFlags
	output    outputFlag
	name      string
	privilege schema.Privilege
	accept    []string
	update    bool
	yes       bool
	dry       bool
}

func (o *adoptOptions) groups() []group { return []group{&o.reading, &o.ssh, &o.output} }

func (o *adoptOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.name, "", hostName), "name", "give the machine this `name` in the inventory: %s (default its host name)")
	fs.Var(flags.OneOf(&o.privilege, schema.Root, schema.Sudo, schema.SudoPassword, schema.Doas, schema.Run0), "privilege", "how a user other than root becomes root: %s (default sudo for such users)")
	fs.Var(flags.ListOf(&o.accept, keyFingerprint), "accept-host-key", "accept an unknown host key with this `fingerprint`, %s; several times for several")
	fs.Var(flags.Bool(&o.update, false), "update", "write into the hardware modules of hosts of the inventory what their machines have become")
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "do not ask before files are changed")
	fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "write nothing and print what would be written")
}

func (o *adoptOptions) check() error {
	if o.dry && o.yes {
		return errors.New("--dry-run and --yes exclude each other")
	}
	return nil
}

// keyFingerprint is the kind of the fingerprint of an SSH key.
var keyFingerprint = matching("fingerprint", "as ssh-keygen -l shows it, SHA256:…", `SHA256:[A-Za-z0-9+/]{43}`)

// adoptLimit is how long a machine may take to say what it is made of. One with hundreds
// of disks and a slow processor takes seconds.
const adoptLimit = 2 * time.Minute

func (o *adoptOptions) run(ctx context.Context, std streams, args []string) error {
	ways, args, err := machinesOf(args)
	if err != nil {
		return usageError{err}
	}
	if o.name != "" && len(ways) > 1 {
		return usageError{errors.New("--name names one machine: adopt the others by themselves")}
	}
	a := &adoption{options: o, std: std}
	if err := a.open(ctx, inventory(args)); err != nil {
		return err
	}
	dialer := remote.NewDialer(remote.Config{
		ConfigFile: o.ssh.config, ConnectTimeout: o.ssh.connectTimeout, Resolve: nixcmd.SSH, Proxy: nixcmd.ProxyCommand,
	})
	defer dialer.Close()
	for _, way := range ways {
		m := &adopted{way: way, Address: way.String()}
		a.machines = append(a.machines, m)
		if m.err = a.look(ctx, dialer, m); m.err != nil {
			m.State, m.Err = "failed", m.err.Error()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	err = a.write(ctx)
	a.report()
	if err != nil {
		return err
	}
	return a.status()
}

// A machine is given as USER@ADDRESS, with a port behind the address.
var machineForm = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]{0,31})@(\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]|[0-9A-Za-z_][0-9A-Za-z_.-]*|[0-9A-Fa-f:.]+)$`)

// machinesOf splits the machines from the inventory, which is the last argument.
func machinesOf(args []string) (ways []adopt.Way, rest []string, err error) {
	for i, arg := range args {
		if !strings.Contains(arg, "@") && i == len(args)-1 && i > 0 {
			return ways, args[i:], nil
		}
		way, err := parseWay(arg)
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	if len(ways) == 0 {
		return nil, nil, errors.New("adopt needs a machine: muster adopt root@192.0.2.1")
	}
	return ways, nil, nil
}

// parseWay reads USER@ADDRESS or USER@ADDRESS:PORT.
func parseWay(arg string) (adopt.Way, error) {
	wrong := fmt.Errorf("%q: want a machine as USER@ADDRESS or USER@ADDRESS:PORT, such as root@192.0.2.1", arg)
	way := adopt.Way{}
	if user, address, ok := strings.Cut(arg, "@"); ok {
		if at := strings.LastIndexByte(address, ':'); at > 0 && (strings.Count(address, ":") == 1 || strings.HasPrefix(address, "[") && address[at-1] == ']') {
			port, err := strconv.ParseUint(address[at+1:], 10, 16)
			if err != nil || port == 0 {
				return way, wrong
			}
			way.Port, arg = int(port), user+"@"+address[:at]
		}
	}
	m := machineForm.FindStringSubmatch(arg)
	if m == nil {
		return way, wrong
	}
	way.User, way.Address = m[1], strings.Trim(m[2], "[]")
	if _, err := netip.ParseAddr(way.Address); err != nil && (strings.Contains(way.Address, ":") || regexp.MustCompile(`^[0-9.]+$`).MatchString(way.Address)) {
		return way, wrong
	}
	return way, nil
}

// An adoption brings machines into one inventory.
type adoption struct {
	options  *adoptOptions
	std      streams
	file     string        // of the inventory, which hosts are added to
	dir      string        // of the inventory
	text     []byte        // of the file
	there    bool          // the file is there
	fleet    *schema.Fleet // empty where there is none
	machines []*adopted
}

// An adopted is what became of one machine.
type adopted struct {
	Name        string             `json:"host,omitempty"`
	Address     string             `json:"address"`
	State       string             `json:"state"` // "adopted", "unchanged", "differs", "updated", "failed"; "would adopt" without writing
	Files       []string           `json:"files,omitempty"`
	Differences []adopt.Difference `json:"differences,omitempty"`
	Notes       []string           `json:"notes,omitempty"`
	Err         string             `json:"error,omitempty"`
	Hardware    *host.Hardware     `json:"hardware,omitempty"`

	way    adopt.Way
	known  *schema.Host    // that the inventory has already
	entry  *schema.NewHost // to add to it
	module []byte          // to write to its file; nil for none
	err    error
}

// emptyInventory are the beginnings of new inventories.
var emptyInventory = map[string]string{
	".cue":  "// The fleet. Check it with muster vet.\npackage fleet\n\n// The version of NixOS. Pin it with rev and hash.\nnixpkgs: unpinned: true\n",
	".toml": "# The version of NixOS. Pin it with rev and hash.\n[nixpkgs]\nunpinned = true\n",
	".yaml": "# The version of NixOS. Pin it with rev and hash.\nnixpkgs:\n  unpinned: true\n",
	".yml":  "# The version of NixOS. Pin it with rev and hash.\nnixpkgs:\n  unpinned: true\n",
	".json": "{\n  \"nixpkgs\": {\"unpinned\": true},\n  \"hosts\": {}\n}\n",
}

// open reads the inventory, or begins one.
func (a *adoption) open(ctx context.Context, path string) error {
	file, there, err := schema.Find(path)
	if err != nil {
		return inventoryError{err}
	}
	if a.file, err = filepath.Abs(file); err != nil {
		return err
	}
	a.dir, a.there, a.fleet = filepath.Dir(a.file), there, &schema.Fleet{Dir: filepath.Dir(a.file)}
	if !there {
		empty, ok := emptyInventory[filepath.Ext(file)]
		if !ok {
			return usageError{fmt.Errorf("adopt into %s: want a .cue, .toml, .yaml or .json file", path)}
		}
		a.text = []byte(empty)
		return nil
	}
	if a.text, err = foreign.ReadFile(a.file, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true}); err != nil {
		return fmt.Errorf("adopt: %v", err)
	}
	a.fleet, err = a.options.reading.load(ctx, []string{path})
	var problems schema.Errors
	if errors.As(err, &problems) && len(problems) == 1 && problems[0].Rule == "missing-field" && strings.HasPrefix(problems[0].Msg, `missing field "hosts"`) {
		a.fleet, err = &schema.Fleet{Dir: a.dir}, nil // the first host
	}
	return err
}

// look connects to a machine and reads what it is made of.
func (a *adoption) look(ctx context.Context, dialer *remote.Dialer, m *adopted) error {
	for _, h := range a.fleet.Hosts {
		if h.Address == m.way.Address && (h.Port == m.way.Port || m.way.Port == 0) {
			m.known, m.Name = h, h.Name
		}
	}
	machine, err := a.connect(ctx, dialer, m)
	if err != nil {
		return err
	}
	defer machine.Close()
	m.way.HostKey = machine.HostKey()
	if m.Hardware, err = host.New(machine, adoptLimit).Hardware(ctx); err != nil {
		return err
	}
	return a.place(m)
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
	t := target(h)
	if h.Privilege == schema.SudoPassword {
		t.SudoPassword = askOnce()
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
		if _, err := hostName.Parse(m.Name); err != nil || m.Name == "localhost" || m.Name == "nixos" || m.Name == "debian" {
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
		m.Differences = append(m.Differences, adopt.Difference{What: "host", In: h.PosOf("host").String(), Says: h.Address, Machine: m.way.Address})
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
	if len(inModule) == 0 || !a.options.update {
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

// write writes the modules, and then the inventory, once it is known to be sound with
// the new hosts.
func (a *adoption) write(ctx context.Context) error {
	text, added := a.text, 0
	for _, m := range a.machines {
		if m.entry == nil || m.err != nil {
			continue
		}
		next, err := schema.AddHost(a.file, text, m.entry)
		if err != nil {
			return a.byHand(m, err)
		}
		text = next
		added++
	}
	if a.options.dry {
		a.show(text, added)
		return nil
	}
	if err := a.permission(ctx, added); err != nil || added == 0 && !slices.ContainsFunc(a.machines, func(m *adopted) bool { return m.module != nil }) {
		return err
	}
	undo, err := a.writeModules()
	if err == nil && added > 0 {
		err = a.writeInventory(ctx, text)
	}
	if err != nil {
		undo()
		return err
	}
	for _, m := range a.machines {
		switch {
		case m.err != nil:
		case m.entry != nil:
			m.State = "adopted"
			m.Files = append(m.Files, a.shown(a.file))
		case m.module != nil:
			m.State = "updated"
		}
	}
	return nil
}

// byHand is an inventory that a host cannot be added to; its entry is shown.
func (a *adoption) byHand(m *adopted, err error) error {
	entry, e := schema.AddHost("hosts.cue", nil, m.entry)
	if e != nil {
		return e
	}
	fmt.Fprintf(a.std.err, "The entry of %s, in CUE:\n%s", m.Name, entry)
	return err
}

// show prints what would be written.
func (a *adoption) show(text []byte, added int) {
	if a.options.output.format == outputJSON {
		return
	}
	if added > 0 {
		fmt.Fprintf(a.std.out, "# %s\n%s", a.shown(a.file), bytes.TrimLeft(bytes.TrimPrefix(text, bytes.TrimRight(a.text, "\n")), "\n"))
	}
	for _, m := range a.machines {
		if m.module != nil && m.err == nil {
			fmt.Fprintf(a.std.out, "\n# %s\n%s", adopt.File(m.Name), m.module)
		}
	}
}

// permission asks before anything that is there is changed.
func (a *adoption) permission(ctx context.Context, added int) error {
	var changes []string
	if added > 0 && a.there {
		changes = append(changes, "add "+human.Count(added, "host")+" to "+a.shown(a.file))
	}
	for _, m := range a.machines {
		if _, err := os.Lstat(filepath.Join(a.dir, adopt.File(m.Name))); m.module != nil && m.err == nil && err == nil {
			changes = append(changes, "change "+adopt.File(m.Name))
		}
	}
	if len(changes) == 0 || a.options.yes {
		return nil
	}
	what := strings.Join(changes, ", ")
	if !ui.CanAnswer(a.std.in) {
		return fmt.Errorf("nothing is written: to %s needs --yes, or a yes on a terminal; --dry-run shows it", what)
	}
	err := ui.Ask(ctx, a.std.in, a.std.err, what+"? [y/N] ")
	if errors.Is(err, ui.ErrDeclined) {
		return errors.New("nothing is written")
	}
	return err
}

// writeModules writes the modules of hardware. undo brings back what there was.
func (a *adoption) writeModules() (undo func(), err error) {
	var undoing []func()
	undo = func() {
		for _, f := range slices.Backward(undoing) {
			f()
		}
	}
	for _, m := range a.machines {
		if m.module == nil || m.err != nil {
			continue
		}
		file := filepath.Join(a.dir, adopt.File(m.Name))
		if _, err := os.Stat(filepath.Dir(file)); errors.Is(err, fs.ErrNotExist) {
			if err := os.Mkdir(filepath.Dir(file), 0o777); err != nil {
				return undo, plainError("write", adopt.File(m.Name), err)
			}
			undoing = append(undoing, func() { os.Remove(filepath.Dir(file)) })
		}
		before, err := foreign.ReadFile(file, foreign.Limits{Size: 1 << 20, Time: foreign.Time, Links: true})
		switch {
		case err == nil:
			undoing = append(undoing, func() { writeFile(file, before) })
		case errors.Is(err, fs.ErrNotExist):
			undoing = append(undoing, func() { os.Remove(file) })
		default:
			return undo, fmt.Errorf("write %s: %v", adopt.File(m.Name), err)
		}
		if err := writeFile(file, m.module); err != nil {
			return undo, err
		}
		m.Files = append(m.Files, a.shown(file))
	}
	return undo, nil
}

// writeInventory writes the inventory, if it is sound with its new text and has the
// hosts that were meant.
func (a *adoption) writeInventory(ctx context.Context, text []byte) error {
	if !a.there {
		// There is nothing to lose: what is written is checked after.
		if err := writeFile(a.file, text); err != nil {
			return err
		}
		if err := a.verify(ctx, text); err != nil {
			os.Remove(a.file)
			return err
		}
		return nil
	}
	if err := a.verify(ctx, text); err != nil {
		return err
	}
	return writeFile(a.file, text)
}

// verify loads the inventory as it is to be.
func (a *adoption) verify(ctx context.Context, text []byte) error {
	fleet, err := schema.Load(ctx, a.file, schema.Options{
		Nix: compile.CheckNix, Time: a.options.reading.timeout, Memory: int64(a.options.reading.memory) << 20, Texts: map[string][]byte{a.file: text},
	})
	var problems schema.Errors
	if errors.As(err, &problems) {
		err = problems.Invalid()
	}
	if err != nil {
		return fmt.Errorf("%s is left as it is, for with the new hosts it would be wrong: %v", a.shown(a.file), err)
	}
	for _, m := range a.machines {
		if m.entry == nil || m.err != nil {
			continue
		}
		if h := fleet.Host(m.Name); h == nil || h.Address != m.way.Address {
			return fmt.Errorf("%s is left as it is, for it would have no host %s at %s: add it by hand", a.shown(a.file), m.Name, m.way.Address)
		}
	}
	return nil
}

// shown is the name of a file as the user would write it.
func (a *adoption) shown(name string) string { return shownFile(name) }

// report prints what became of the machines.
func (a *adoption) report() {
	if a.options.output.format == outputJSON {
		ui.JSON(a.std.out, a.machines)
		return
	}
	for _, m := range a.machines {
		if m.err != nil {
			fmt.Fprintf(a.std.err, "%s: %v\n", m.Address, m.err)
			if h := adoptHint(m); h != "" {
				fmt.Fprintf(a.std.err, "hint: %s\n", h)
			}
			continue
		}
		fmt.Fprintf(a.std.out, "%s: %s: %s\n", m.Name, m.State, summary(m.Hardware))
		for _, f := range m.Files {
			fmt.Fprintf(a.std.out, "  wrote %s\n", f)
		}
		for _, d := range m.Differences {
			fmt.Fprintf(a.std.out, "  %s\n", d)
		}
		for _, n := range m.Notes {
			fmt.Fprintf(a.std.out, "  note: %s\n", n)
		}
	}
}

// adoptHint says what the user can do about a machine that was not adopted.
func adoptHint(m *adopted) string {
	var key unacceptedKey
	if errors.As(m.err, &key) {
		return fmt.Sprintf("compare the fingerprint with the machine's, then: muster adopt --accept-host-key %s %s", key.Offered.SHA256, m.Address)
	}
	name := m.Name
	if name == "" {
		name = m.way.Address
	}
	return hint(name, m.err)
}

// summary is a machine in one line.
func summary(hw *host.Hardware) string {
	list := []string{hw.OS.Text}
	if hw.OS.Text == "" {
		list[0] = "an unknown system"
	}
	if hw.System != "" {
		list = append(list, hw.System)
	}
	if hw.Memory > 0 {
		list = append(list, human.Bytes(hw.Memory)+" of memory")
	}
	switch v := hw.Virtual; {
	case v.Container != "":
		return strings.Join(append(list, "a container ("+v.Container+")"), ", ")
	case v.Machine != "":
		list = append(list, "a guest of "+v.Machine)
	}
	list = append(list, strings.ToUpper(string(hw.Boot.Firmware)), human.Count(len(hw.Disks()), "disk"))
	return strings.Join(list, ", ")
}

// status is the exit status, as an error.
func (a *adoption) status() error {
	failed, fine := 0, 0
	for _, m := range a.machines {
		switch m.State {
		case "failed", "differs":
			failed++
		default:
			fine++
		}
	}
	switch {
	case failed == 0:
		return nil
	case fine == 0 && !slices.ContainsFunc(a.machines, func(m *adopted) bool { return m.err == nil }):
		return exitError(exec.ExitFailed)
	}
	return exitError(exec.ExitPartly)
}
