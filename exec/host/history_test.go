package host

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

func TestHistoryIsRead(t *testing.T) {
	out := "time 1700000000\nprofile " + string(newSystem) + "\nlink system-2-link\n" +
		"deployment 20260131-142233-k3qz 1700000001 system-1-link " + string(oldSystem) + " - - - bob of@desk\n" +
		"deployment 20260201-142233-aaaa 1700000002 - " + string(newSystem) + " system-1-link " + string(oldSystem) + " " + string(oldSystem) + " \n" +
		"deployment cut 1700000003 system-1-link\n" +
		"deployment x 1700000003 system-1-link /etc/passwd - - -\n" +
		"rejected system-2-link " + string(newSystem) + " 20260201-142233-aaaa 1700000003\n" +
		"confirmed system-1-link " + string(oldSystem) + " 1700000000 bob\n" +
		"generation system-2-link " + string(newSystem) + "\ngeneration system-1-link " + string(oldSystem) + "\n"
	in, err := parseInspection(out, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	one := Generation{Number: 1, System: oldSystem}
	want := History{
		Deployments: []Deployment{
			{Run: "20260131-142233-k3qz", Time: time.Unix(1700000001, 0).UTC(), Generation: one, Who: "bob of@desk"},
			{Run: "20260201-142233-aaaa", Time: time.Unix(1700000002, 0).UTC(), Generation: Generation{System: newSystem}, Former: one, RanBefore: oldSystem},
		},
		Rejected:    []Rejection{{Generation: Generation{Number: 2, System: newSystem}, Run: "20260201-142233-aaaa", Time: time.Unix(1700000003, 0).UTC()}},
		Confirmed:   []store.Path{oldSystem},
		Generations: []Generation{one, {Number: 2, System: newSystem, Current: true}},
	}
	if diff := cmp.Diff(want, in.History); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !in.History.IsRejected(want.Generations[1]) || in.History.IsRejected(one) {
		t.Error("generation 2 is rejected, and 1 is not")
	}
}
