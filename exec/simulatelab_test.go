package exec_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
	"muster/exec/human"
	"muster/schema"
)

// TestASimulatedRunIsAsTheRealOne deploys to six lab hosts in waves of two, of which the
// second fails, and simulates the same plan with the latencies and failures of its journal.
func TestASimulatedRunIsAsTheRealOne(t *testing.T) {
	t.Parallel()
	f := newField(t, "a", "b", "c", "d", "e", "f")
	want := f.all(system(t, "new"))
	want["a"], want["c"], want["d"] = system(t, "slow"), system(t, "slow"), system(t, "fails") // slow takes 3 s
	plan := f.plan(exec.Switch, want)
	fleet := &schema.Fleet{Rollout: schema.Rollout{Batch: "2"}}
	for _, h := range f.lab.Hosts {
		fleet.Hosts = append(fleet.Hosts, f.hosts[h.Name])
	}
	if err := plan.RollOut(fleet); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	journal, err := exec.CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	o := f.opts
	o.Sink = journal.Sink(func(exec.Event) {})
	began := time.Now()
	outcomes := exec.Run(t.Context(), plan, o)
	took := time.Since(began)
	if err := journal.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := exec.Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	model, err := exec.ModelOf(names[0])
	if err != nil {
		t.Fatal(err)
	}
	s, err := exec.Simulate(t.Context(), plan, f.opts, model, 1)
	if err != nil {
		t.Fatal(err)
	}
	var real, simulated []map[exec.Status]int
	for range plan.Waves() {
		real = append(real, map[exec.Status]int{})
	}
	for i := range outcomes {
		real[outcomes[i].Wave-1][outcomes[i].Status]++
	}
	for _, w := range s.Waves {
		simulated = append(simulated, w.Statuses)
	}
	if diff := cmp.Diff(real, simulated); diff != "" {
		t.Errorf("what became of the hosts of each wave (-real +simulated):\n%s", diff)
	}
	wanted := []map[exec.Status]int{{exec.Activated: 2}, {exec.Activated: 1, exec.RolledBack: 1}, {exec.Skipped: 2}}
	if diff := cmp.Diff(wanted, simulated); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// The simulation has the latencies of the stages, and nothing between them.
	if s.Took < 2*3*time.Second || s.Took > took {
		t.Errorf("the run took %v, simulated %v", took, s.Took)
	}
	t.Logf("real %s, simulated %s", human.Duration(took), human.Duration(s.Took))
}
