package exec

import (
	"context"
	"time"

	"muster/compile/store"
	"muster/exec/host"
	"muster/schema"
)

// A Status says what became of a host.
type Status string

// What can become of a host.
const (
	Built      Status = "built"       // its system is in the local store
	Copied     Status = "copied"      // its system is in its own store
	Activated  Status = "activated"   // the action was carried out
	Previewed  Status = "previewed"   // it said what switching would do
	Installed  Status = "installed"   // it has its first system
	Unchanged  Status = "unchanged"   // it was up to date
	Reverted   Status = "reverted"    // it is back on an earlier generation, as asked
	RolledBack Status = "rolled back" // activation failed, and it is back on what it had
	Listed     Status = "listed"      // its generations were read
	Seen       Status = "seen"        // it was inspected
	Ran        Status = "ran"         // the command was run, with success
	Cleaned    Status = "cleaned"     // its garbage was collected
	Away       Status = "away"        // a roaming host that is not there
	NoAddress  Status = "no address"  // the inventory has no way to it; its system is in the local store, where the action builds
	Failed     Status = "failed"      // see Stage and Err
	Skipped    Status = "skipped"     // nothing was begun
)

// Statuses are all statuses, in the order in which a summary counts them.
var Statuses = []Status{Built, Copied, Activated, Installed, Previewed, Reverted, Ran, Cleaned, Seen, Listed, Unchanged, NoAddress, Away, RolledBack, Failed, Skipped}

// An Outcome is what became of one host.
type Outcome struct {
	Host   string        `json:"host"`
	Status Status        `json:"status"`
	Policy schema.Policy `json:"policy,omitempty"`
	Wave   int           `json:"wave,omitempty"` // from 1; 0 where it is of none
	// Stage is where it failed or was rolled back, and Err why.
	Stage Stage `json:"stage,omitempty"`
	Err   error `json:"-"`
	// Error is the text of Err.
	Error string `json:"error,omitempty"`
	// Reason is why a rollback left the host alone.
	Reason string `json:"reason,omitempty"`

	Before   host.State      `json:"before"`            // as found
	System   store.Path      `json:"system,omitempty"`  // what it was to have
	After    host.Generation `json:"after,omitzero"`    // the profile's generation in the end, where known
	Running  store.Path      `json:"running,omitempty"` // what runs in the end, where known and looked at
	Boots    store.Path      `json:"boots,omitempty"`   // what it would boot in the end, where that can be told
	Paths    int             `json:"paths,omitempty"`   // store paths sent
	Bytes    int64           `json:"bytes,omitempty"`   // of archives sent
	Findings []Finding       `json:"findings,omitempty"`
	// NeedsReboot are the parts that take a restart to change.
	NeedsReboot []string `json:"needs_reboot,omitempty"`
	Rebooted    bool     `json:"rebooted,omitempty"`
	// Secrets are those that change, or differ from the inventory, by name.
	Secrets []SecretChange `json:"secrets,omitempty"`
	// KernelBefore and KernelAfter are the versions of the kernels that ran before
	// and after the restart.
	KernelBefore string `json:"kernel_before,omitempty"`
	KernelAfter  string `json:"kernel_after,omitempty"`

	// Generations are those of the system profile, oldest first, for List.
	Generations []host.Generation `json:"generations,omitempty"`
	Diff        *Diff             `json:"diff,omitempty"`    // for Preview
	Facts       *host.Facts       `json:"facts,omitempty"`   // for Look
	Removed     []int             `json:"removed,omitempty"` // generations, for Clean
	Freed       string            `json:"freed,omitempty"`   // as Nix says it, for Clean
	// FailedChecks are the health checks that fail, each with why, for Look.
	FailedChecks []string      `json:"failed_checks,omitempty"`
	Took         time.Duration `json:"took_ns"`
	// Interrupted says that the run was interrupted before the host had ended.
	Interrupted bool `json:"interrupted,omitempty"`

	changed bool // something on the host was changed, or may have been
	keeps   bool // it has what was asked, and failed all the same
}

// OK reports whether the host ended as was asked.
func (o *Outcome) OK() bool {
	return o.Status != Failed && o.Status != RolledBack && o.Status != Skipped
}

// Counts reports whether the host's failure counts as the run's. That of a
// best-effort host does not, but a rollback always does.
func (o *Outcome) Counts() bool {
	return !o.OK() && (o.Status == RolledBack || o.Policy != schema.BestEffort)
}

// The exit statuses of muster.
const (
	ExitOK          = 0
	ExitFailed      = 1   // failed before anything changed
	ExitUsage       = 2   // wrong usage or invalid inventory
	ExitPartly      = 3   // some hosts failed, others are done
	ExitRolledBack  = 4   // some hosts were rolled back
	ExitInterrupted = 130 // interrupted by the user
)

// ExitStatus sums outcomes up as muster's exit status.
func ExitStatus(ctx context.Context, outcomes []Outcome) int {
	var failed, rolledBack, done bool
	for i := range outcomes {
		o := &outcomes[i]
		failed = failed || o.Counts()
		rolledBack = rolledBack || o.Status == RolledBack
		done = done || o.OK() && o.Status != NoAddress || o.changed || o.keeps
	}
	switch {
	case ctx.Err() != nil && failed:
		return ExitInterrupted
	case rolledBack:
		return ExitRolledBack
	case failed && done:
		return ExitPartly
	case failed:
		return ExitFailed
	}
	return ExitOK
}
