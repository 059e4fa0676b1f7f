package cmd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
)

func TestLowerJobs(t *testing.T) {
	for _, tt := range []struct {
		name        string
		descriptors uint64
		asked, want exec.Options
		lowered     bool
	}{
		{name: "nothing asked, few", descriptors: 256, want: exec.Options{ConnectJobs: 9, Jobs: 9, BuildJobs: 6, CopyJobs: 6, ActivateJobs: 6, KeepOpen: 9}, lowered: true},
		{name: "nothing asked, enough", descriptors: 1024, want: exec.Options{KeepOpen: 48}},
		{name: "a thousand, few", descriptors: 256, asked: exec.Options{Jobs: 1000}, want: exec.Options{ConnectJobs: 9, Jobs: 9, BuildJobs: 6, CopyJobs: 6, ActivateJobs: 6, KeepOpen: 9}, lowered: true},
		{name: "a thousand, enough", descriptors: 1 << 20, asked: exec.Options{Jobs: 1000}, want: exec.Options{Jobs: 1000, KeepOpen: 200}},
		{name: "no limit", descriptors: 1 << 62, asked: exec.Options{Jobs: 1000}, want: exec.Options{Jobs: 1000}},
		{name: "one kind of work", descriptors: 1024, asked: exec.Options{CopyJobs: 500}, want: exec.Options{CopyJobs: 32, KeepOpen: 48}, lowered: true},
		{name: "hardly any", descriptors: 10, asked: exec.Options{Jobs: 3}, want: exec.Options{ConnectJobs: 1, Jobs: 1, BuildJobs: 1, CopyJobs: 1, ActivateJobs: 1, KeepOpen: 1}, lowered: true},
	} {
		got := tt.asked
		if lowered := lowerJobs(&got, tt.descriptors); lowered != tt.lowered {
			t.Errorf("%s: lowered %v", tt.name, lowered)
		}
		ints := func(o exec.Options) []int {
			return []int{o.Jobs, o.ConnectJobs, o.BuildJobs, o.CopyJobs, o.ActivateJobs, o.KeepOpen}
		}
		if diff := cmp.Diff(ints(tt.want), ints(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
