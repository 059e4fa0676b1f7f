package exec_test

import (
	"fmt"
	"io"
	osexec "os/exec"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/exec"
	"muster/exec/lab"
)

// BenchmarkNothingToDo compares a deployment of 50 hosts that are in sync with
// as many bare "ssh host true", both ten at a time, in turns:
//
//	go test ./exec -run - -bench NothingToDo -benchtime 3x
//
// ratio is the deployment's time over ssh's.
func BenchmarkNothingToDo(b *testing.B) {
	lab.RequireLab(b)
	var names []string
	for i := range 50 {
		names = append(names, fmt.Sprintf("h%02d", i))
	}
	f := newField(b, names...)
	want := f.all(system(b, "old"))
	f.opts.Jobs = 10
	f.opts.AnswerTimeout = time.Minute
	var deploys, bare time.Duration
	for b.Loop() {
		began := time.Now()
		var g errgroup.Group
		g.SetLimit(10)
		for _, name := range names {
			g.Go(func() error {
				cmd := osexec.Command("ssh", "-F", f.lab.SSHConfig, name, "true")
				cmd.Stderr = io.Discard
				return cmd.Run()
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
		bare += time.Since(began)
		began = time.Now()
		for _, o := range f.deploy(b.Context(), exec.Switch, want, nil) {
			if o.Status != exec.Unchanged {
				b.Fatalf("%s: %s: %v", o.Host, o.Status, o.Err)
			}
		}
		deploys += time.Since(began)
	}
	b.ReportMetric(deploys.Seconds()/bare.Seconds(), "ratio")
	b.ReportMetric(deploys.Seconds()/float64(b.N), "s/deploy")
	b.ReportMetric(bare.Seconds()/float64(b.N), "s/ssh")
}
