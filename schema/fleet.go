package schema

import (
	"net/netip"
	"strings"
	"time"
)

// A Fleet is a whole inventory, checked: what it names exists, what must be
// unique is. Defaults of muster's own are filled in, so that nobody below
// asks again.
type Fleet struct {
	// Dir is the inventory's directory, absolute; relative paths in the
	// inventory are relative to it. Files are those it was read from.
	Dir   string
	Files []string

	Network  Network
	Nixpkgs  Nixpkgs
	Kluster  *Kluster // nil where the fleet has no Kubernetes cluster
	Defaults Module   // what every host gets; DefaultsAt is where it says so
	Roles    []*Role  // the user's own roles, in inventory order
	Hosts    []*Host  // in inventory order
	Builders []string // machines to build on, as for Nix; none: as nix.conf says
	Cache    Cache
	Rollout  Rollout

	DefaultsAt Pos

	// Warnings are what should be looked at, although the inventory loads.
	Warnings Errors

	// Where network, nixpkgs and rollout say what they say, by path:
	// "nixpkgs.rev", "rollout.order[0]".
	pos map[string]Pos
}

// Host returns the host of that name, or nil.
func (f *Fleet) Host(name string) *Host {
	for _, h := range f.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Network is what the network expression says of itself.
type Network struct {
	Description    string
	EnableRollback bool
}

// Nixpkgs says which NixOS the fleet is made of. Exactly one of Path, Rev and
// Unpinned is set.
type Nixpkgs struct {
	At       Pos
	Path     string // a directory beside the inventory, or absolute
	URL      string // where Rev is fetched from; a Git host's archive by default
	Rev      string // a commit
	Hash     string // its SRI hash, sha256-…
	Unpinned bool   // <nixpkgs> of whoever evaluates; said so on purpose
}

// A Cache is a binary cache between here and the hosts. PushTo is "" where
// there is none.
type Cache struct {
	At       Pos
	PushTo   string
	PullFrom string // "": as PushTo
}

// Kluster is the fleet's Kubernetes cluster.
type Kluster struct {
	At          Pos
	Master      string // the host that is the control plane
	Etcd        []string
	Domain      string
	PodCIDR     netip.Prefix
	ServiceCIDR netip.Prefix
	MeshCIDR    netip.Prefix // the private network between the hosts, if any
	pos         map[string]Pos
}

// PosOf returns where the inventory says the field, such as "master"; the
// cluster's own place where it does not say it.
func (k *Kluster) PosOf(field string) Pos {
	if p, ok := k.pos[field]; ok {
		return p
	}
	return k.At
}

// A Module is NixOS configuration: files to import, options as data, and Nix
// text.
type Module struct {
	Imports []Import
	Config  *Attrs // nil where none is given
	Nix     []Snippet
}

// An Import is a Nix file. Path is relative to the inventory's directory, or
// absolute.
type Import struct {
	At   Pos
	Path string
}

// A Snippet is the text of one NixOS module, as written in the inventory: an
// attribute set, or a function from { config, lib, pkgs, … } to one.
type Snippet struct {
	At   Pos
	Text string
}

// A Role is the user's own: hosts that have it get its configuration.
type Role struct {
	Name string
	At   Pos
	Module
}

// A Host is one machine.
type Host struct {
	Name string
	At   Pos // where its name stands

	Address   string // IPv4, IPv6 or domain name
	Port      int    // 0: as the SSH configuration says
	User      string // "": as the SSH configuration says
	HostKeys  []string
	Jump      string
	Privilege Privilege

	System      string // x86_64-linux, …
	Roles       []string
	Tags        []string
	Policy      Policy
	BuildOn     BuildOn
	Substitute  bool  // the host asks its own binary caches first
	LimitRate   int64 // bytes per second it is sent at most; 0: no limit of its own
	DiskUUID    string
	FileSystems []FileSystem
	Swap        []Swap
	Disks       []Disk
	Health      []Check // what must be so after an activation
	Meta        *Attrs  // the user's own data, nothing of it interpreted; may be nil
	Module

	// Fields the inventory gives, by path: "host", "disk_uuid",
	// "file_systems./boot.device".
	pos map[string]Pos
}

// PosOf returns where the inventory says the field, such as "host" or
// "disk_uuid"; the host's own place where it does not say it.
func (h *Host) PosOf(field string) Pos {
	if p, ok := h.pos[field]; ok {
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

// The roles muster knows of itself.
const (
	RoleMaster = "kubernetes-master"
	RoleNode   = "kubernetes-node"
)

// Privilege is how muster becomes root on a host.
type Privilege string

// The ways to become root.
const (
	Root         Privilege = "root"          // log in as root
	Sudo         Privilege = "sudo"          // sudo without a password
	SudoPassword Privilege = "sudo-password" // sudo with one, asked for once
)

// Policy says what a host that cannot be reached means.
type Policy string

// The policies.
const (
	Required   Policy = "required"    // its failure is the run's failure
	BestEffort Policy = "best_effort" // its failure is reported, others go on
	Roaming    Policy = "roaming"     // being away is no failure
)

// BuildOn says where a host's system is built.
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
	// NeededForBoot is whether the host needs it to start at all.
	NeededForBoot bool
}

// A Disk is a whole disk, by a name of the user's own; Boot says that the boot
// loader goes on it.
type Disk struct {
	At     Pos
	Name   string
	Device string
	Boot   bool
}

// Swap is a swap device or file; Size is in MiB, 0 for a device.
type Swap struct {
	At     Pos
	Device string
	Size   int
}

// Rollout says how a deployment goes through the fleet.
type Rollout struct {
	At             Pos
	Canaries       string // a selector, deployed first
	Batch          string // "5" or "20%"; "" for all at once
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
	OnHost  bool   // else here
	Hosts   string // a selector; "" for all
	Timeout time.Duration
}

// A Check is something that must be so on a host after it was activated, or it
// returns to what it had. Exactly one of Command, HTTP, TCP and Unit is set.
type Check struct {
	At      Pos
	Command []string // run on the host as root; it must succeed
	HTTP    string   // a URL
	Status  int      // the answer's; 0 for any below 400
	TCP     string   // "5432" or "10.0.0.7:5432": something must listen there
	Unit    string   // of systemd: it must be active
	// FromHere has HTTP and TCP connect from where muster runs, instead of
	// from the host itself.
	FromHere bool

	Timeout  time.Duration // for one try
	Interval time.Duration // between tries
	Retries  int           // tries after the first
}

// String is the check as a person would say it: "unit nginx.service".
func (c *Check) String() string {
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
