package schema

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Fleet is a whole inventory after all checks: its references are defined, and
// what must be unique is unique. Defaults are filled in.
type Fleet struct {
	// Dir is the absolute path of the inventory's directory. Paths in the fleet
	// are relative to it. Files are those that the inventory was read from.
	Dir   string
	Files []string

	Network Network
	Nixpkgs Nixpkgs
	Inputs  []Input  // in inventory order
	Lock    *Lock    // nil for a fleet without a lock file
	Impure  bool     // evaluation may read what nix.conf's pure-eval forbids
	Kluster *Kluster // nil for a fleet without a Kubernetes cluster
	Meshes  []*Mesh  // in inventory order

	meshLock     MeshLock // what mesh.lock has
	meshLockText []byte
	Defaults     Module       // configuration of all hosts; DefaultsAt is its position
	Node         *KlusterNode // labels and taints; nil for none
	Roles        []*Role      // the user's own roles, in inventory order
	Hosts        []*Host      // in inventory order
	Builders     []string     // build machines in the notation of Nix; empty means those of nix.conf
	Build        Build
	Cache        Cache
	Rollout      Rollout
	// Provision is how the machines of hosts with Provision are made.
	Provision Provision
	// SecretRecipients may decrypt the secret files that muster writes.
	SecretRecipients []Recipient

	DefaultsAt Pos

	// Warnings are problems that do not make the inventory invalid.
	Warnings Errors

	// pos has the positions of network, nixpkgs, rollout and all values in
	// them, by path: "nixpkgs.rev", "rollout.order[0]".
	pos map[string]Pos

	hostIndex nameIndex[Host]
	roleIndex nameIndex[Role]
}

// A nameIndex has the places of the elements of a list by their names. It is of no use for
// another list, such as that of some hosts of an inventory.
type nameIndex[T any] struct {
	list  []*T
	place map[string]int
}

func indexOf[T any](list []*T, name func(*T) string) nameIndex[T] {
	place := make(map[string]int, len(list))
	for i, e := range slices.Backward(list) { // the first of a name counts
		place[name(e)] = i
	}
	return nameIndex[T]{list, place}
}

// of reports whether the index is that of a list.
func (i *nameIndex[T]) of(list []*T) bool {
	return i.place != nil && len(i.list) == len(list) && (len(list) == 0 || &i.list[0] == &list[0])
}

// Host returns the host with the name, or nil.
func (f *Fleet) Host(name string) *Host {
	if f.hostIndex.of(f.Hosts) {
		if i, ok := f.hostIndex.place[name]; ok {
			return f.Hosts[i]
		}
		return nil
	}
	for _, h := range f.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// RolesOf returns those of the user's own roles that a host has, in the order of the
// inventory.
func (f *Fleet) RolesOf(h *Host) (roles []*Role) {
	if !f.roleIndex.of(f.Roles) {
		for _, r := range f.Roles {
			if h.HasRole(r.Name) {
				roles = append(roles, r)
			}
		}
		return roles
	}
	var places []int
	for _, name := range h.Roles {
		if i, ok := f.roleIndex.place[name]; ok {
			places = append(places, i)
		}
	}
	slices.Sort(places)
	for _, i := range slices.Compact(places) {
		roles = append(roles, f.Roles[i])
	}
	return roles
}

// Network is the metadata of the network expression.
type Network struct {
	Description    string
	EnableRollback bool
}

// Nixpkgs is the version of NixOS. Exactly one of Input, Path, Rev and Unpinned is set.
type Nixpkgs struct {
	At       Pos
	Input    string // the name of an input
	Path     string // a directory, relative to the inventory's or absolute
	URL      string // where Rev is fetched from; "" means GitHub's archive
	Rev      string // a commit
	Hash     string // hash of the commit's tree, such as sha256-…
	Unpinned bool   // <nixpkgs> of the evaluating machine
	Patches  []Patch
}

// HasPatches reports whether a NixOS of the fleet has patches.
func (f *Fleet) HasPatches() bool {
	patched := func(n *Nixpkgs) bool { return n != nil && len(n.Patches) > 0 }
	return patched(&f.Nixpkgs) ||
		slices.ContainsFunc(f.Roles, func(r *Role) bool { return patched(r.Nixpkgs) }) ||
		slices.ContainsFunc(f.Hosts, func(h *Host) bool { return patched(h.Nixpkgs) })
}

// A Patch is a file with changes of a tree. Path is relative to the inventory's
// directory, or absolute.
type Patch struct {
	At   Pos
	Path string
}

// Archive is the URL that Rev is fetched from.
func (n *Nixpkgs) Archive() string {
	if n.URL != "" {
		return n.URL
	}
	return "https://github.com/NixOS/nixpkgs/archive/" + n.Rev + ".tar.gz"
}

// A Cache is a binary cache that hosts fetch their systems from. PushTo is "" for
// a fleet without one.
type Cache struct {
	At       Pos
	PushTo   string
	PullFrom string // "" means PushTo
	// Peers are selectors of the hosts of each site, which send each other what one of
	// them was sent.
	Peers []string
}

// A Module is NixOS configuration: imported files, options as data, and Nix text.
type Module struct {
	Imports       []Import
	Config        *Attrs // may be nil
	Nix           []Snippet
	Secrets       []*Secret
	Upgrade       *Upgrade // nil for none
	Pull          *Pull    // nil for none
	Nixpkgs       *Nixpkgs // nil for that of the fleet
	NixpkgsConfig *Attrs   // may be nil
	Overlays      []Value
	SpecialArgs   *Attrs // may be nil
}

// An Import is a Nix file, or a module of an input. Path is relative to the
// inventory's directory, or absolute.
type Import struct {
	At    Pos
	Path  string
	Input *InputRef // nil for a file
}

// A Snippet is the text of one NixOS module, as written in the inventory: an
// attribute set, or a function from { config, lib, pkgs, … } to one.
type Snippet struct {
	At   Pos
	Text string
}

// A Role is a role of the user's own. Its hosts get its configuration.
type Role struct {
	Name string
	At   Pos
	Module
}

// A Host is one machine.
type Host struct {
	Name string
	At   Pos // position of the name

	// Address is where the host is: an IPv4 or IPv6 address, a domain name, or a name of
	// the SSH configuration; "" for none.
	Address string
	// AddressOption is the option of the host's configuration that has its address; nil
	// where the inventory has the address. Address is "" until it is read.
	AddressOption *AddressOption
	Port          int    // 0 means that of the SSH configuration
	User          string // "" means that of the SSH configuration
	// Others are further ways to the host, tried in order where Address does not answer.
	Others []Way
	// MeshWays are the ways to it through meshes, which are tried before all others.
	MeshWays  []Way
	HostKeys  []string
	Jump      string
	SSH       SSH // of the host, its roles and the defaults
	Privilege Privilege
	// PrivilegeCommand runs the words after it as root, where Privilege is [Command].
	PrivilegeCommand []string
	Local            bool // no SSH where muster runs on the host itself
	// Unconnected says that there is no way to the host: it is built and exported.
	Unconnected bool

	// NoSystem says that the host is no NixOS: only its profiles are deployed.
	NoSystem bool
	Profiles []*Profile // in the inventory's order

	// Profile is set where the host stands for one of its profiles, and Machine is its
	// name then; see [Host.Part].
	Profile *Profile
	Machine string

	Flake       *FlakeSystem // nil for a host that muster composes of modules
	System      string       // x86_64-linux, …
	Cross       string       // the system that it is cross-built on; "" where it is not
	Roles       []string
	Node        *KlusterNode // what the cluster knows of it; nil for nothing
	Tags        []string
	Policy      Policy
	FailedUnits FailedUnits
	Care        Care
	// KnownHosts and ExtraHosts are whether the host knows the SSH host keys and the
	// addresses of all hosts.
	KnownHosts, ExtraHosts bool

	Provision   *ProvisionedMachine // the machine that is made for it; nil for one that is there
	GuestOf     string              // the host that this one is deployed with; "" for none
	VariantOf   string              // the host whose machine this is another system of; "" for none
	BuildOn     BuildOn
	Substitute  bool  // the host fetches what it can from its own binary caches
	LimitRate   int64 // maximum of bytes per second sent to it; 0 means no limit
	DiskUUID    string
	FileSystems []FileSystem
	Swap        []Swap
	Disks       []Disk
	Install     Install
	Health      []Check // checks after an activation
	Meta        *Attrs  // the user's own data, not interpreted; may be nil
	Module
	// AllSecrets are the secrets of the host: those of the defaults, of its roles, and
	// its own; of one name, the last.
	AllSecrets []*Secret
	// Upgrades are those that the host does by itself, of its own, its roles or the
	// defaults; nil for none.
	Upgrades *Upgrade
	// Pulls says where the host takes releases from, by itself, its roles or the
	// defaults; nil for nowhere.
	Pulls *Pull

	inMesh           bool         // it has secrets or addresses of a mesh
	clusterAddress   netip.Addr   // in the mesh of the cluster; not valid for none
	clusterAddresses []netip.Addr // all that it has there

	// pos has the positions of the fields in the inventory, by path: "host",
	// "disk_uuid", "file_systems./boot.device".
	pos positions
}

// positions are the positions of fields, sorted by path. A map for each host would
// take a third of the memory of a fleet.
type positions []position

type position struct {
	path string
	at   Pos
}

func positionsOf(at map[string]Pos) positions {
	list := make(positions, 0, len(at))
	for path, p := range at {
		list = append(list, position{path, p})
	}
	slices.SortFunc(list, func(a, b position) int { return strings.Compare(a.path, b.path) })
	return list
}

func (l positions) find(path string) (Pos, bool) {
	i, ok := slices.BinarySearchFunc(l, path, func(p position, path string) int { return strings.Compare(p.path, path) })
	if !ok {
		return Pos{}, false
	}
	return l[i].at, true
}

// PosOf returns the position of a field such as "host" or "disk_uuid", or that of
// the host if the inventory does not have the field.
func (h *Host) PosOf(field string) Pos {
	if p, ok := h.pos.find(field); ok {
		return p
	}
	return h.At
}

// HasRole reports whether the host has the role.
func (h *Host) HasRole(role string) bool {
	for _, r := range h.Roles {
		if r == role {
			return true
		}
	}
	return false
}

// The built-in roles.
const (
	RoleMaster   = "kubernetes-master"
	RoleNode     = "kubernetes-node"
	RoleBalancer = "kubernetes-load-balancer"
)

// Privilege is how muster becomes root on a host.
type Privilege string

// The ways to become root.
const (
	Root         Privilege = "root"          // log in as root
	Sudo         Privilege = "sudo"          // sudo without a password
	SudoPassword Privilege = "sudo-password" // sudo with a password, asked for once
	Doas         Privilege = "doas"          // doas without a password
	Run0         Privilege = "run0"          // systemd's run0 without a password
	Command      Privilege = "command"       // the host's PrivilegeCommand
)

// Policy says how an unreachable host counts.
type Policy string

// The policies.
const (
	Required   Policy = "required"    // the run fails
	BestEffort Policy = "best_effort" // the failure is only reported
	Roaming    Policy = "roaming"     // not a failure
)

// FailedUnits says which failed systemd units fail an activation.
type FailedUnits string

// The failed units that count.
const (
	NewFailures FailedUnits = "new"    // those that had not failed before
	AnyFailures FailedUnits = "any"    // all
	NoFailures  FailedUnits = "ignore" // none
)

// BuildOn says where a host's system is built: at one of the places here, or on the host
// of this name.
type BuildOn string

// The places to build.
const (
	BuildLocal  BuildOn = "local"
	BuildTarget BuildOn = "target"
)

// A FileSystem is one mount.
type FileSystem struct {
	At         Pos
	MountPoint string
	Device     string // "/dev/disk/by-uuid/…", …
	FSType     string
	Options    []string
	// NeededForBoot is whether stage 1 of the boot mounts it.
	NeededForBoot bool
}

// A Disk is a whole disk. Name is chosen by the user; Boot is whether the boot
// loader is installed on it.
type Disk struct {
	At     Pos
	Name   string
	Device string
	Boot   bool
	Layout
}

// Swap is a swap device or file; Size is in MiB, 0 for a device.
type Swap struct {
	At     Pos
	Device string
	Size   int
}

// Rollout says in which order and in which batches the fleet is deployed.
type Rollout struct {
	At             Pos
	Canaries       string // a selector of the hosts to deploy first
	Batch          string // "5" or "20%"; "" means all at once
	Order          []string
	MaxUnavailable int
	MaxFailures    int
	Pause          time.Duration
	Confirm        bool
	Hooks          []Hook
}

// A Hook is a command around a stage of the work on a host.
type Hook struct {
	At      Pos
	Before  string // a stage; one of Before and After is set
	After   string
	Command []string
	OnHost  bool   // run it on the host, not where muster runs
	Hosts   string // a selector; "" means all
	Timeout time.Duration
}

// A Check is a health check after an activation. If it fails, the host is rolled
// back. Exactly one of Command, HTTP, TCP and Unit is set.
type Check struct {
	At      Pos
	Command []string // must succeed, run on the host as root
	HTTP    string   // a URL that must answer
	Status  int      // status of the answer; 0 means any below 400
	TCP     string   // "5432" or "10.0.0.7:5432", which must accept connections
	Unit    string   // a systemd unit that must be active
	// Description is what it shows, for messages; may be "".
	Description string
	Before      bool     // made before an activation, not after it
	Headers     []Header // of HTTP, in inventory order
	Insecure    bool     // HTTP takes any certificate
	// FromHere makes HTTP and TCP connect from where muster runs, not from the
	// host.
	FromHere bool

	Timeout  time.Duration // of one try
	Interval time.Duration // between tries
	Retries  int           // tries after the first
}

// A Header is a header of an HTTP request.
type Header struct{ Name, Value string }

// Checks returns the health checks of a host before an activation, or after it.
func (h *Host) Checks(before bool) []Check {
	var some []Check
	for _, c := range h.Health {
		if c.Before == before {
			some = append(some, c)
		}
	}
	return some
}

// String returns the check for messages: "unit nginx.service".
func (c *Check) String() string {
	if c.Description != "" {
		return fmt.Sprintf("%s (%s)", c.Description, c.what())
	}
	return c.what()
}

func (c *Check) what() string {
	switch {
	case len(c.Command) > 0:
		return "command " + strings.Join(c.Command, " ")
	case c.HTTP != "":
		return "http " + c.HTTP
	case c.TCP != "":
		return "tcp " + c.TCP
	}
	return "unit " + c.Unit
}
