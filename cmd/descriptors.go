package cmd

import (
	"cmp"
	"fmt"
	"io"
	"syscall"

	"muster/exec"
)

// What a run needs of file descriptors. Go raises the soft limit to the hard one
// when a process starts, and gives programs that are run the one from before.
const (
	ownDescriptors  = 64 // of muster itself: inventory, journal, store, evaluation
	hostDescriptors = 5  // of a host: its connection, or the pipes of a ProxyCommand, the agent and a file that is read
)

// fitDescriptors lowers the limits of a run so that its connections fit into the
// file descriptors that the process may have, and says so: otherwise hosts would
// fail for want of them.
func fitDescriptors(o *exec.Options, w io.Writer) {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return
	}
	if lowerJobs(o, limit.Cur) {
		fmt.Fprintf(w, "note: fewer hosts at once than asked for, at most %d: a process may open %d files here (ulimit -n)\n", cmp.Or(o.Jobs, exec.StandardJobs), limit.Cur)
	}
}

// lowerJobs shares out the hosts that may be connected at once: a quarter are
// being inspected, a quarter wait after that, and half are being worked on. It
// reports whether a limit that the user knows is lower now.
func lowerJobs(o *exec.Options, descriptors uint64) bool {
	if descriptors > 1<<30 {
		return false
	}
	hosts := max(int(descriptors)-ownDescriptors, 0) / hostDescriptors
	o.KeepOpen = min(cmp.Or(o.KeepOpen, exec.StandardKeepOpen), max(hosts/4, 1))
	jobs, lowered := cmp.Or(o.Jobs, exec.StandardJobs), false
	lower := func(n *int, most int) {
		if most = max(most, 1); cmp.Or(*n, jobs) > most {
			*n, lowered = most, true
		}
	}
	lower(&o.Jobs, hosts/4)
	lower(&o.ConnectJobs, hosts/4)
	for _, n := range []*int{&o.BuildJobs, &o.CopyJobs, &o.ActivateJobs} {
		lower(n, hosts/6)
	}
	return lowered
}
