package exec

import (
	"context"
	"time"

	"muster/compile/store"
)

// A Status says what became of a host.
type Status string

// What can become of a host.
const (
	Built      Status = "built"       // its system is in the local store
	Copied     Status = "copied"      // its system is in its own store
	Activated  Status = "activated"   // the action was carried out
	Previewed  Status = "previewed"   // it said what switching would do
	Unchanged  Status = "unchanged"   // it already was as it should be
	Reverted   Status = "reverted"    // it is back on an earlier generation, as asked
	RolledBack Status = "rolled back" // activation failed, and it is back on what it had
	Listed     Status = "listed"      // its generations were read
	Failed     Status = "failed"      // see Stage and Err
	Skipped    Status = "skipped"     // nothing was begun
)

// An Outcome is what became of one host.
type Outcome struct {
	Host   string `json:"host"`
	Status Status `json:"status"`
	// Stage is where it failed or was rolled back, and Err why.
	Stage Stage `json:"stage,omitempty"`
	Err   error `json:"-"`
	// Error is the text of Err.
	Error string `json:"error,omitempty"`

	Before State      `json:"before"`          // as found
	System store.Path `json:"system"`          // what it was to have
	After  Generation `json:"after,omitzero"`  // the profile's generation in the end, where known
	Paths  int        `json:"paths,omitempty"` // store paths sent
	Bytes  int64      `json:"bytes,omitempty"` // of archives sent
	// Generations are those of the system profile, oldest first, for List.
	Generations []Generation  `json:"generations,omitempty"`
	Took        time.Duration `json:"took_ns"`

	changed bool // something on the host was changed, or may have been
}

// OK reports whether the host ended as was asked.
func (o *Outcome) OK() bool {
	return o.Status != Failed && o.Status != RolledBack && o.Status != Skipped
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
		failed = failed || !o.OK()
		rolledBack = rolledBack || o.Status == RolledBack
		done = done || o.OK() || o.changed
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
