package exec

import (
	"cmp"
	"context"
	"sync"
	"time"

	"muster/compile/definitions"
	"muster/compile/store"
	"muster/exec/builds"
	"muster/exec/clock"
	"muster/exec/transfer"
	"muster/schema"
)

// What [Options.Jobs] and [Options.KeepOpen] are if they are not set.
const (
	StandardJobs     = 10
	StandardKeepOpen = 200
)

// Options say how a run is done and by what. A zero limit is the default.
type Options struct {
	Run string // names the run, on the hosts too: the same for an attempt that goes on with it
	Who string // who runs it, for others who find a host locked

	Jobs         int // hosts at once in each kind of work that has no limit of its own; [StandardJobs]
	ConnectJobs  int // hosts being connected to and inspected
	BuildJobs    int // hosts that build systems, by themselves or for others
	CopyJobs     int // hosts being copied to
	ActivateJobs int // hosts being activated
	KeepOpen     int // connections kept between the inspection of a host and the rest of its work; [StandardKeepOpen]

	FailFast bool // after a failure, begin no other host
	Reboot   bool // restart hosts whose new kernel, initrd or systemd needs it
	// FailedUnits says which failed units make an activation fail, instead of what
	// each host's inventory says; "" for that.
	FailedUnits schema.FailedUnits
	// ReplaceForeign replaces systems that muster has not deployed, also where the
	// inventory says that they are kept.
	ReplaceForeign bool
	// InstallBootLoader installs the boot loader itself anew, also on hosts that
	// are up to date. It is for the actions Switch and Boot, and for Rollback.
	InstallBootLoader bool

	ActivateTimeout time.Duration // for one activation; 10 minutes
	ConfirmTimeout  time.Duration // for a new connection after it, then the host returns by itself; 1 minute
	RevertTimeout   time.Duration // for that return; 2 minutes
	RebootTimeout   time.Duration // until a host is back after a restart; 10 minutes
	AnswerTimeout   time.Duration // for a host to answer a question; 30 seconds
	// LockTimeout is for how long another activation on a host is waited for, and
	// how long a lock on a host lasts without a sign of life; 1 minute.
	LockTimeout time.Duration

	Roots string // directory of the garbage collector roots, one a host; "" for none
	Copy  CopyOptions

	Connect Connect
	Builder Builder
	Source  transfer.Source
	Local   Local        // runs hooks here; nil where there are none
	Secrets SecretSource // nil for a fleet without secrets
	Install InstallOptions
	// Definitions is how the definitions of a host's options differ from those that the
	// system it runs was made of; nil where these are not known. It may be nil.
	Definitions func(host string, running store.Path) *definitions.Changes
	// BeforeChange is called once, before the first host is given a system that it is not on
	// yet; never where there is nothing to do. It may be nil.
	BeforeChange func()
	Cluster      Cluster // of the hosts; nil where they are not taken out of one
	Sink         Sink    // may be nil
	// Confirm is asked before a wave (from 2) where the rollout wants that.
	Confirm func(ctx context.Context, wave int) error

	clock     clock.Clock   // [clock.Real], unless the run is simulated
	simulated *simulatedRun // does the stages in a simulation; else nil
	slowness  slowness      // of peers
}

// A Builder makes derivations of the local store into what they build.
type Builder interface {
	// Build builds all wants as one graph of derivations. It calls Done of each once, as soon
	// as its system is there or cannot be built, and returns after that. It may be called again
	// meanwhile.
	Build(ctx context.Context, wants []builds.Want, w builds.Watcher)
}

// A Local runs a command on this machine, with more in its environment, and
// hands on the lines that it prints.
type Local func(ctx context.Context, argv, env []string, line func(string)) error

// withDefaults fills in what is not set.
func (o Options) withDefaults() Options {
	number := func(n *int, standard int) {
		if *n <= 0 {
			*n = standard
		}
	}
	duration := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	number(&o.Jobs, StandardJobs)
	for _, n := range []*int{&o.ConnectJobs, &o.BuildJobs, &o.CopyJobs, &o.ActivateJobs} {
		number(n, o.Jobs)
	}
	number(&o.KeepOpen, StandardKeepOpen)
	duration(&o.ActivateTimeout, 10*time.Minute)
	duration(&o.ConfirmTimeout, time.Minute)
	duration(&o.RevertTimeout, 2*time.Minute)
	duration(&o.RebootTimeout, 10*time.Minute)
	duration(&o.AnswerTimeout, 30*time.Second)
	duration(&o.LockTimeout, time.Minute)
	if o.Run == "" {
		o.Run = NewRunID()
	}
	o.Who = cmp.Or(o.Who, "an unknown user")
	o.Sink = oneAtATime(o.Sink)
	if o.clock == nil {
		o.clock = clock.Real{}
	}
	o.slowness = cmp.Or(o.slowness, defaultSlowness)
	return o
}

// observe, where it is set, gets every event of every run. Tests set it.
var observe Sink

// oneAtATime is a sink that may be called from several goroutines.
func oneAtATime(sink Sink) Sink {
	if sink == nil {
		sink = func(Event) {}
	}
	var mu sync.Mutex
	return func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		if observe != nil {
			observe(e)
		}
		sink(e)
	}
}
