package cmd

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"muster/exec"
)

// gcOptions are those of gc, which removes old generations from hosts.
type gcOptions struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      int
	keep      int
	newer     time.Duration
	dry       bool
}

func (o *gcOptions) addFlags(fs *pflag.FlagSet) {
	o.selection.addFlags(fs)
	o.ssh.addFlags(fs)
	o.output.addFlags(fs)
	fs.IntVarP(&o.jobs, "jobs", "j", 10, "on at most `n` hosts at once")
	fs.IntVar(&o.keep, "keep", 5, "keep the `n` newest generations")
	fs.DurationVar(&o.newer, "newer-than", 14*24*time.Hour, "and those that are younger than this `duration`")
	fs.BoolVarP(&o.dry, "dry-run", "n", false, "only say which generations would go")
}

func (o *gcOptions) run(ctx context.Context, std streams, args []string) error {
	if o.keep < 1 {
		return usageError{fmt.Errorf("--keep %d: one generation at least", o.keep)}
	}
	return runOnHosts(ctx, std, args, o.selection, o.ssh, o.output, o.jobs,
		&exec.Plan{Action: exec.Clean, Keep: exec.Keep{Last: o.keep, Newer: o.newer, Dry: o.dry}})
}

// printCollected prints a line a host.
func printCollected(w io.Writer, outcomes []exec.Outcome) {
	table := newReport(w, "host", "outcome", "generations removed", "detail")
	for i := range outcomes {
		o := &outcomes[i]
		var removed []string
		for _, n := range o.Removed {
			removed = append(removed, fmt.Sprint(n))
		}
		what := printable(o.Freed)
		if o.Err != nil {
			what = detail(o)
		}
		table.row(o.Host, string(o.Status), strings.Join(removed, " "), what)
	}
	table.flush()
}
