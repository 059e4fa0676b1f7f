package cmd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"muster/cmd/flags"
	"muster/exec/adopt"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/ondemand"
	"muster/exec/remote"
	"muster/schema"
)

// adoptOptions are those of adopt, which brings running machines into the inventory.
type adoptOptions struct {
	reading   loadFlags
	ssh       sshFlags
	output    outputFlag
	jobs      jobsFlag
	name      string
	privilege schema.Privilege
	accept    []string
	update    bool
	yes       bool
	dry       bool
}

func (o *adoptOptions) groups() []group { return []group{&o.reading, &o.ssh, &o.output, &o.jobs} }

func (o *adoptOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.name, "", hostName), "name", "give the machine this `name` in the inventory: %s (default its host name)")
	fs.Var(flags.OneOf(&o.privilege, schema.Root, schema.Sudo, schema.SudoPassword, schema.Doas, schema.Run0), "privilege", "how a user other than root becomes root: %s (default sudo for such users)")
	fs.Var(flags.ListOf(&o.accept, keyFingerprint), "accept-host-key", "accept an unknown host key with this `fingerprint`, %s; several times for several")
	fs.Var(flags.Bool(&o.update, false), "update", "write what the machines of hosts of the inventory have become into their entries (address, host keys, system, disks) and hardware modules")
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
	a := &adoption{options: o, std: std, sudo: askOnce()}
	if err := a.open(ctx, inventory(args)); err != nil {
		return err
	}
	dialer := remote.NewDialer(remoteConfig(&o.ssh, func(text string) { fmt.Fprintf(std.err, "warning: %s\n", text) }))
	defer dialer.Close()
	for _, way := range ways {
		a.machines = append(a.machines, &adopted{way: way, Address: way.String()})
	}
	a.lookAtAll(ctx, dialer)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	err = a.write(ctx)
	a.report()
	if err != nil {
		return err
	}
	return a.status()
}

// A machine is given as USER@ADDRESS, with a port behind the address.
var machineForm = ondemand.Regexp(`^([A-Za-z_][A-Za-z0-9_.-]{0,31})@(\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]|[0-9A-Za-z_][0-9A-Za-z_.-]*|[0-9A-Fa-f:.]+)$`)

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
	m := machineForm().FindStringSubmatch(arg)
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
	asking   sync.Mutex // held while the user is asked
	sudo     func(context.Context) ([]byte, error)
}

// password is the password of sudo, the same on all machines.
func (a *adoption) password(ctx context.Context) ([]byte, error) {
	a.asking.Lock()
	defer a.asking.Unlock()
	return a.sudo(ctx)
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

	way     adopt.Way
	known   *schema.Host      // that the inventory has already
	entry   *schema.NewHost   // to add to it
	edits   []schema.HostEdit // of its entry
	inFiles []string          // of the inventory, that these change
	module  []byte            // to write to its file; nil for none
	err     error
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
