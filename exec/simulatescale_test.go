package exec

import (
	"runtime"
	"testing"
	"time"

	"muster/schema"
)

// TestSimulateManyHosts shows that the scheduling of a run is linear in the number of its
// hosts: go test ./exec -run SimulateManyHosts -scale 50000 -v.
func TestSimulateManyHosts(t *testing.T) {
	perHost := func(n int) time.Duration {
		p := simulatedFleet(t, n, schema.Rollout{Canaries: "@canary", Batch: "5", MaxFailures: n, MaxUnavailable: 20})
		began := processorTime(t)
		s, err := Simulate(t.Context(), p, Options{Jobs: 32}, failing(map[Stage]float64{Health: 0.01}), 1)
		if err != nil {
			t.Fatal(err)
		}
		if done := s.Statuses[Activated] + s.Statuses[RolledBack]; done != n {
			t.Errorf("%d of %d hosts are done", done, n)
		}
		return (processorTime(t) - began) / time.Duration(n)
	}
	small := max(*scaleHosts/10, 10)
	few, many := perHost(small), perHost(*scaleHosts)
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("%v a host with %d hosts, %v with %d, %d MB", few, small, many, *scaleHosts, m.Sys>>20)
	if *scaleHosts >= 10000 && many > 2*few {
		t.Errorf("%v a host with few, %v with many", few, many)
	}
}
