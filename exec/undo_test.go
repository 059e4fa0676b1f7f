package exec

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

// sys is the system of a number.
func sys(n int) store.Path {
	return store.Path(fmt.Sprintf("/nix/store/%032d-nixos-system-web-%d", n, n))
}

// A past is a host's past for a test, in the words of the files below
// /var/lib/muster. In "R2 2→3" run R2 took the profile from generation 2 to
// generation 3; "R2 2→2 s3" left it there and activated system 3; "R2 2→3 ran s1"
// found system 1 running.
type past []string

// record is what inspect.sh says of the past.
func (p past) record(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for i, line := range p {
		words := strings.Fields(line)
		var from, to int
		if n, _ := fmt.Sscanf(strings.ReplaceAll(words[1], "→", " "), "%d %d", &from, &to); n != 2 {
			t.Fatalf("%q is not a deployment", line)
		}
		system, link := sys(to), fmt.Sprintf("system-%d-link", to)
		former, formerLink := string(sys(from)), fmt.Sprintf("system-%d-link", from)
		if from == 0 {
			former, formerLink = "-", "-"
		}
		ran := former
		for i := 2; i < len(words); i++ {
			var n int
			fmt.Sscanf(words[len(words)-1], "s%d", &n)
			if words[i] == "ran" {
				ran = string(sys(n))
				break
			}
			system = sys(n)
		}
		fmt.Fprintf(&b, "deployment %s %d %s %s %s %s %s alice of@desk\n", words[0], 1700000000+i, link, system, formerLink, former, ran)
	}
	return b.String()
}

func rejects(numbers ...int) string {
	var b strings.Builder
	for _, n := range numbers {
		fmt.Fprintf(&b, "rejected system-%d-link %s R0 1700000000\n", n, sys(n))
	}
	return b.String()
}

// newHostWith has generations 1 to most, with a system each, and is on one.
func newHostWith(most, on int) *fakeHost {
	var systems []store.Path
	for n := 1; n <= most; n++ {
		systems = append(systems, sys(n))
	}
	h := newFakeHost(systems...)
	h.profile, h.current = on, sys(on)
	return h
}

func TestRollbackUndoesTheLastDeployment(t *testing.T) {
	for _, tt := range []struct {
		name  string
		most  int // generations
		on    int
		past  past
		facts string
		want  string // the generation, or the error
	}{
		{"what it had before", 2, 2, past{"R1 0→1", "R2 1→2"}, "", "1"},
		{"not the generation that is before in number", 4, 4, past{"R1 0→1", "R3 1→4"}, "", "1"},
		{"not one that was never confirmed", 3, 3, past{"R1 0→1", "R3 1→3"}, rejects(2), "1"},
		{"a second one goes further back", 3, 2, past{"R1 0→1", "R2 1→2", "R3 2→3", "R4 3→2"}, "", "1"},
		{"a third one has nothing left", 3, 1, past{"R1 0→1", "R2 1→2", "R3 2→3", "R4 3→2", "R5 2→1"}, "", "no generation before 1 to go back to: run R1 was the first deployment of the host"},
		{"after a deployment that followed a rollback", 3, 3, past{"R1 0→1", "R2 1→2", "R3 2→1", "R4 1→3"}, "", "1"},
		{"a newest generation that was deployed again", 2, 2, past{"R1 0→1", "R2 1→2", "R3 2→1", "R4 1→2"}, "", "1"},
		{"a rollback over several", 4, 2, past{"R1 0→1", "R2 1→2", "R3 2→3", "R4 3→4", "R5 4→2"}, "", "1"},
		{"a rollback by number to a newer one", 3, 3, past{"R1 0→1", "R2 1→2", "R3 2→3", "R4 3→1", "R5 1→3"}, "", "1"},
		{"what ran, not what would have been booted", 4, 4, past{"R1 0→1", "R2 1→2 ran s1", "R4 2→4 ran s1"}, "", "1"},
		{"a test leaves the profile", 2, 2, past{"R1 0→1", "R2 1→2", "R3 2→2 s9"}, "", "2"},
		{"after a test was undone", 2, 2, past{"R1 0→1", "R2 1→2", "R3 2→2 s9", "R4 2→2 ran s9"}, "", "1"},
		{"before muster there was another tool", 3, 2, past{"R1 1→3", "R2 3→2"}, "", "1"},
		{"a former one that was never confirmed", 3, 3, past{"R1 0→1", "R3 2→3"}, rejects(2), "1"},
		{"one that was confirmed at the second try", 3, 3, past{"R1 0→1", "R2 1→2", "R3 2→3"}, rejects(2), "2"},
		{"the first", 1, 1, past{"R1 0→1"}, "", "no generation before 1 to go back to: run R1 was the first deployment of the host"},
		{"a host that was changed since", 3, 3, past{"R1 0→1", "R2 1→2"}, "", "changed since by other means: run R2 left generation 2, and it is on generation 3 (" + string(sys(3)) + "); name one with --to"},
		{"no past", 3, 3, nil, "", "2"},
		{"no past, and one that was never confirmed", 3, 3, nil, rejects(2), "1"},
		{"no past, and only such", 2, 2, nil, rejects(1), "no confirmed generation before 2 to go back to: the host has 1, 2"},
		{"the list of an older muster", 3, 3, nil, "confirmed system-1-link " + string(sys(1)) + " 1700000000 bob\nconfirmed system-3-link " + string(sys(3)) + " 1700000000 bob\n", "1"},
		{"the list of an older muster has nothing before", 2, 2, nil, "confirmed system-2-link " + string(sys(2)) + " 1700000000 bob\n", "1"},
		{"lines that make no sense", 2, 2, nil, "deployment\ndeployment a b c d e f g\nrejected x\nconfirmed\ngeneration\n", "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHostWith(tt.most, tt.on)
			h.facts = tt.past.record(t) + tt.facts
			if n := len(tt.past); n > 0 && strings.HasSuffix(tt.past[n-1], " s9") {
				h.current = sys(9)
			}
			out := runOn(t.Context(), &Plan{Action: Rollback}, map[string]*fakeHost{"web": h}, Options{})
			got := fmt.Sprint(h.profile)
			if out[0].Status != Reverted {
				got = out[0].Error
			} else if h.current != sys(h.profile) {
				t.Errorf("running %s", h.current)
			}
			if got != tt.want {
				t.Errorf("%s: %q, want %q", out[0].Status, got, tt.want)
			}
			if out[0].Status == Failed && (out[0].Stage != Revert || len(h.commands) > 0) {
				t.Errorf("failed at %s after %q", out[0].Stage, h.commands)
			}
		})
	}
}

func TestRollbackToAGenerationThatIsGone(t *testing.T) {
	h := newHostWith(4, 4)
	delete(h.gens, 2)
	h.facts = past{"R1 0→1", "R2 1→2", "R4 2→4"}.record(t)
	out := runOn(t.Context(), &Plan{Action: Rollback}, map[string]*fakeHost{"web": h}, Options{})
	if want := "generation 2, which it had before run R4, is gone: the host has 1, 3, 4"; out[0].Error != want {
		t.Errorf("%s: %s, want %s", out[0].Status, out[0].Error, want)
	}
}

// A rollback of several hosts undoes one deployment, on the hosts it changed.
func TestRollbackLeavesTheOthersAlone(t *testing.T) {
	hosts := func() map[string]*fakeHost {
		all := map[string]*fakeHost{"a": newHostWith(3, 3), "b": newHostWith(3, 3), "c": newHostWith(2, 2), "d": newHostWith(2, 2)}
		all["a"].facts = past{"R1 0→1", "R2 1→2", "R3 2→3"}.record(t)
		all["b"].facts = past{"R1 0→1", "R2 1→2", "R3 2→3"}.record(t)
		all["c"].facts = past{"R1 0→1", "R2 1→2"}.record(t)
		return all // nothing is recorded on d
	}
	for _, tt := range []struct {
		name   string
		plan   Plan
		change func(map[string]*fakeHost)
		want   []string
	}{
		{"undone where it was made", Plan{Action: Rollback}, nil, []string{
			"a reverted 3 → 2", "b reverted 3 → 2", "c unchanged: not changed by run R3", "d unchanged: not changed by run R3",
		}},
		{"a dry run", Plan{Action: WouldRevert}, nil, []string{
			"a previewed 3 → 2", "b previewed 3 → 2", "c unchanged: not changed by run R3", "d unchanged: not changed by run R3",
		}},
		{"what an earlier attempt has decided stands", Plan{Action: Rollback, Undo: "R2"}, nil, []string{
			"a unchanged: not changed by run R2", "b unchanged: not changed by run R2", "c reverted 2 → 1", "d unchanged: not changed by run R2",
		}},
		{"what an earlier attempt has done is done", Plan{Action: Rollback, Run: "R9", Undo: "R3"}, func(all map[string]*fakeHost) {
			all["b"].profile, all["b"].current = 2, sys(2)
			all["b"].facts = past{"R1 0→1", "R2 1→2", "R3 2→3", "R9 3→2"}.record(t)
		}, []string{
			"a reverted 3 → 2", "b unchanged: already rolled back by this run", "c unchanged: not changed by run R3", "d unchanged: not changed by run R3",
		}},
		{"one where it failed is next", Plan{Action: Rollback}, func(all map[string]*fakeHost) {
			all["b"].profile, all["b"].current = 2, sys(2)
			all["b"].facts = past{"R1 0→1", "R2 1→2", "R3 2→3", "R9 3→2"}.record(t)
		}, []string{
			"a reverted 3 → 2", "b unchanged: not changed by run R3", "c unchanged: not changed by run R3", "d unchanged: not changed by run R3",
		}},
		{"a host that cannot take part has its say", Plan{Action: Rollback}, func(all map[string]*fakeHost) {
			for _, name := range []string{"a", "b", "c"} {
				all[name].facts += "lock 70 2 other-run bob@desk\n"
			}
		}, []string{
			"a failed at inspect: locked by bob@desk for 1m10s (run other-run)", "b failed at inspect: locked by bob@desk for 1m10s (run other-run)",
			"c unchanged: not changed by run R3", "d unchanged: not changed by run R3",
		}},
		{"a host that cannot be reached keeps no other from it", Plan{Action: Rollback}, func(all map[string]*fakeHost) {
			all["b"].refuse = errors.New("no route to host")
		}, []string{
			"a reverted 3 → 2", "b failed at connect: no route to host", "c unchanged: not changed by run R3", "d unchanged: not changed by run R3",
		}},
		{"by number", Plan{Action: Rollback, Generation: 2}, nil, []string{
			"a reverted 3 → 2", "b reverted 3 → 2", "c unchanged: already on generation 2", "d unchanged: already on generation 2",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all := hosts()
			if tt.change != nil {
				tt.change(all)
			}
			before := map[string]int{}
			for name, h := range all {
				before[name] = h.profile
			}
			var chosen []string
			out := runOn(t.Context(), &tt.plan, all, Options{Sink: func(e Event) {
				if e, ok := e.(UndoChosen); ok {
					chosen = append(chosen, fmt.Sprintf("%s of %s on %d, %d not reached", e.Run, e.Who, e.Hosts, e.NotReached))
				}
			}})
			var got []string
			for _, o := range out {
				switch h := all[o.Host]; {
				case o.Error != "":
					got = append(got, fmt.Sprintf("%s %s at %s: %s", o.Host, o.Status, o.Stage, o.Error))
				case o.Reason != "":
					got = append(got, fmt.Sprintf("%s %s: %s", o.Host, o.Status, o.Reason))
				case o.Status == Previewed:
					got = append(got, fmt.Sprintf("%s %s %d → %d", o.Host, o.Status, o.Before.Generation.Number, o.After.Number))
				default:
					got = append(got, fmt.Sprintf("%s %s %d → %d", o.Host, o.Status, o.Before.Generation.Number, h.profile))
				}
				if h := all[o.Host]; o.Status != Reverted && (len(h.commands) > 0 || h.profile != before[o.Host]) {
					t.Errorf("%s is %s after %q", o.Host, o.Status, h.commands)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.plan.Generation == 0 && len(chosen) != 1 {
				t.Errorf("told of %v", chosen)
			}
			if all["b"].refuse != nil && !slices.Equal(chosen, []string{"R3 of alice of@desk on 1, 1 not reached"}) {
				t.Errorf("told of %v", chosen)
			}
		})
	}
}
