package exec

import (
	"muster/compile/store"
	"muster/exec/host"
	"muster/schema"
)

// An Action is what a run does to its hosts.
type Action string

// The actions. The last four are switch-to-configuration's own.
const (
	BuildOnly   Action = "build"        // build the systems here
	Push        Action = "push"         // and copy them to the hosts
	CopyPaths   Action = "copy"         // copy store paths that are here already, whatever they are
	Switch      Action = "switch"       // and make them current now and at boot
	Boot        Action = "boot"         // and make them current at the next boot
	Test        Action = "test"         // and make them current now, until the next boot
	DryActivate Action = "dry-activate" // and say what switching would do
	Preview     Action = "plan"         // find out what switching would change, and change nothing
	Rollback    Action = "rollback"     // back to an earlier generation of the host
	WouldRevert Action = "would-revert" // find out where a rollback would go, and change nothing
	List        Action = "generations"  // look at the host's generations
	Look        Action = "status"       // look at the host
	Command     Action = "exec"         // run a command on the host
	Clean       Action = "gc"           // remove old generations, and what nothing needs
	Install     Action = "install"      // make a host of a machine that has no NixOS yet
	PushSecrets Action = "secrets"      // bring secrets to the host, and leave its system alone
)

// changes reports whether the action changes a host, or says what would.
func (a Action) changes() bool {
	switch a {
	case Push, CopyPaths, Switch, Boot, Test, DryActivate, Preview, Rollback, WouldRevert, Clean:
		return true
	}
	return false
}

// TakesProfiles reports whether the action is for the profiles of hosts as it is for
// their systems.
func (a Action) TakesProfiles() bool {
	switch a {
	case BuildOnly, Push, Switch, Preview, Rollback, WouldRevert, Look, List, Clean:
		return true
	}
	return false
}

// goesBack reports whether the action is about earlier generations of the host.
func (a Action) goesBack() bool { return a == Rollback || a == WouldRevert }

// Activations are the actions that deploy takes.
var Activations = []Action{Switch, Boot, Test, DryActivate}

// A System is what a host is to have.
type System struct {
	Drv store.Path `json:"drv"` // "" for one that is in the store, whatever it was built from
	Out store.Path `json:"out"`
}

// A Step is one host's part in a plan. Err says that the host can't take part,
// because its system could not be evaluated.
type Step struct {
	Host *schema.Host
	// BuildHost is the host that builds the system, where BuildOn of Host names one. It has
	// what it takes to reach it.
	BuildHost *schema.Host
	System    System
	Paths     []store.Path // what CopyPaths copies
	Err       error
	Wave      int    // from 0; see [Plan.RollOut]
	Site      string // of the host; "" for none; see [Plan.JoinSites]
	Hooks     []schema.Hook
	Expect    *host.State // what the host must still be; nil for anything
	// Earlier is how far an earlier attempt of the same run had come; nil for a
	// first attempt.
	Earlier *Attempt
	// Baseline is what an earlier attempt found the host on; nil where none had
	// looked at it.
	Baseline *Baseline
}

// A Plan is what a run will do, host by host in inventory order.
type Plan struct {
	Run    string // names the run, where the plan is that of one
	Who    string // began the run, where the plan is that of one
	Dir    string // the inventory's directory
	Action Action
	Steps  []Step
	// Generation is the one to roll back to; 0 undoes the last deployment.
	Generation int
	Undo       string // the run whose deployment is undone, where that is decided; see undo.go
	Rollout    schema.Rollout
	Cluster    *ClusterPlan // nil where hosts are not taken out of one
	Builders   []string     // machines to build on, as for Nix; none: as nix.conf says
	// BuilderHosts are the hosts of the inventory among Builders, with what it takes to reach
	// them.
	BuilderHosts []*schema.Host
	OnlyThere    bool // this machine builds nothing
	Cache        schema.Cache
	Command      []string // for Command
	Keep         Keep     // for Clean
	Wanted       Wanted   // for Install

	order []int // in which the steps are begun; see ordered
}

// NewPlan plans an action. A step that has an error fails before anything is
// done to its host.
func NewPlan(action Action, steps []Step) *Plan {
	return &Plan{Action: action, Steps: steps}
}
