package ui

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/exec"
	"muster/exec/human"
)

var manyHosts = flag.Int("scale", 2000, "how many hosts the reports of many hosts have; the bar is 50000")

// manyOutcomes are those of a fleet of which some hosts are unreachable, some cannot be built,
// and the others end in one way.
func manyOutcomes(status exec.Status, each func(i int, o *exec.Outcome)) []exec.Outcome {
	all := make([]exec.Outcome, *manyHosts)
	for i := range all {
		o := &all[i]
		o.Host, o.Status = fmt.Sprintf("h%05d", i), status
		o.Before.Generation.Number = 1 + i%7
		o.Before.Current = "/nix/store/00000000000000000000000000000001-nixos-system"
		switch {
		case i%100 == 1:
			o.Status, o.Stage, o.Err = exec.Failed, exec.ConnectTo, fmt.Errorf("unreachable: dial tcp 10.0.%d.%d:22: i/o timeout", i/256, i%256)
		case i%100 == 2:
			o.Status, o.Stage, o.Err = exec.Failed, exec.Build, errors.New("nginx-1.26.2: make: *** [all] Error 2")
		default:
			each(i, o)
		}
	}
	return all
}

// A terminal shows many hosts in groups: as many lines as there are kinds of hosts.
func TestManyHostsOnATerminal(t *testing.T) {
	packages := []*exec.Package{{Name: "nginx", Before: []string{"1.26"}, After: []string{"1.28"}}}
	planned := func(i int, o *exec.Outcome) {
		if i%3 == 0 {
			o.Status = exec.Unchanged
			return
		}
		o.Diff = &exec.Diff{CopyPaths: 3, CopyBytes: 1000, PackageDiff: exec.PackageDiff{Changed: packages, Rebuilt: i % 2}}
	}
	nothing := func(int, *exec.Outcome) {}
	for _, tt := range []struct {
		name  string
		lines int
		print func(p page)
	}{
		{"plan", 30, func(p page) { printEnd(p, manyOutcomes(exec.Previewed, planned)) }},
		{"deploy", 8, func(p page) { printEnd(p, manyOutcomes(exec.Activated, nothing)) }},
		{"deploy with nothing to do", 8, func(p page) { printEnd(p, manyOutcomes(exec.Unchanged, nothing)) }},
		{"failures", 8, func(p page) {
			printFailures(p, manyOutcomes(exec.Activated, nothing), nil, Run{}, func(string, error) string { return "" })
		}},
		{"status", 8, func(p page) { printStates(p, manyStates()) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			tt.print(page{w: &out, width: 100, height: 40})
			if n := strings.Count(out.String(), "\n"); n > tt.lines {
				t.Errorf("%d lines for %d hosts:\n%.3000s", n, *manyHosts, &out)
			} else {
				t.Logf("%s", &out)
			}
			out.Reset()
			tt.print(page{w: &out}) // programs get every host
			if n := strings.Count(out.String(), "\n"); tt.name == "status" && n < *manyHosts*9/10 {
				t.Errorf("%d lines without a terminal", n)
			}
		})
	}
}

func manyStates() []HostState {
	all := make([]HostState, *manyHosts)
	for i := range all {
		s := &all[i]
		s.Host, s.State, s.Generation = fmt.Sprintf("h%05d", i), InSync, 1+i%7
		switch {
		case i%100 == 1:
			s.State, s.Generation, s.Error = Unreachable, 0, fmt.Sprintf("unreachable: dial tcp 10.0.%d.%d:22: i/o timeout", i/256, i%256)
		case i%10 == 2:
			s.State, s.FailedUnits = Behind, []string{"nginx.service"}
		}
	}
	return all
}

// Hosts that end are taken out of the view, and the others stay in the order in which they began.
func TestManyHostsAreDrawn(t *testing.T) {
	v, now := newView(), time.Now()
	v.begin(*manyHosts, now)
	name := func(i int) string { return fmt.Sprintf("h%05d", i) }
	for i := range *manyHosts {
		v.take(exec.StageStarted{Host: name(i), Stage: exec.ConnectTo}, now)
		v.take(exec.StageEnded{Host: name(i), Stage: exec.ConnectTo}, now)
	}
	steps := 0
	for i := range *manyHosts {
		if i%2 == 0 {
			v.take(exec.HostEnded{Outcome: exec.Outcome{Host: name(i), Status: exec.Unchanged}}, now)
			steps = max(steps, len(v.begun)-2*len(v.byName))
		}
	}
	if steps > 0 {
		t.Errorf("%d hosts that have ended are in the list beyond those that have not", steps)
	}
	want := 1
	for h := range v.working {
		if h.name != name(want) {
			t.Fatalf("%s is next, want %s", h.name, name(want))
		}
		want += 2
	}
	if want < *manyHosts {
		t.Errorf("the list ends before %s", name(want))
	}
	if rows := paint(v, 80, 24, now); len(rows) > 24 {
		t.Errorf("%d rows", len(rows))
	}
}

// A list of JSON is printed as it would be as a whole.
func TestJSONListIsJSON(t *testing.T) {
	for _, all := range [][]HostState{nil, {}, manyStates()[:1], manyStates()[:3]} {
		var whole, list strings.Builder
		if err := errors.Join(JSON(&whole, all), JSONList(&list, all)); err != nil {
			t.Fatal(err)
		}
		if whole.String() != list.String() {
			t.Errorf("%q, want %q", &list, &whole)
		}
	}
	var list strings.Builder
	if err := JSONList(&list, []string{"a<b\u202e", human.Plain("x")}); err != nil || strings.ContainsRune(list.String(), '\u202e') {
		t.Errorf("%q: %v", &list, err)
	}
}
