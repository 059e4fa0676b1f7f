package exec_test

import (
	"context"
	"errors"
	"fmt"

	"muster/exec"
	"muster/schema"
)

// A plan is a value: hosts and what each is to have. Run carries it out, reports
// facts to the sink, and returns what became of each host. One host's failure is its
// own.
func ExampleRun() {
	plan := exec.NewPlan(exec.Look, []exec.Step{
		{Host: &schema.Host{Name: "web1", Address: "10.0.0.1"}},
		{Host: &schema.Host{Name: "web2", Address: "10.0.0.2"}, Err: errors.New("hosts.cue:12:9: no such option")},
	})
	outcomes := exec.Run(context.Background(), plan, exec.Options{
		Jobs: 1,
		Connect: func(context.Context, *schema.Host) (exec.Machine, error) {
			return nil, fmt.Errorf("%w: connection refused", exec.ErrUnreachable)
		},
		Sink: func(e exec.Event) {
			if e, ok := e.(exec.StageEnded); ok {
				fmt.Println(e.Host, e.Stage, "ended:", e.Err)
			}
		},
	})
	for _, o := range outcomes {
		fmt.Println(o.Host, o.Status, "at", o.Stage)
	}
	fmt.Println("exit status", exec.ExitStatus(context.Background(), outcomes))
	// Output:
	// web1 connect ended: unreachable: connection refused
	// web1 failed at connect
	// web2 failed at evaluate
	// exit status 1
}
