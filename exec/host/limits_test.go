package host

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

// A says answers every command with a text.
type says string

func (s says) Run(_ context.Context, _ []string, stdout, _ io.Writer) error {
	_, err := io.WriteString(stdout, string(s))
	return err
}

// What a host says of itself is bounded in number and in length.
func TestFactsAreBounded(t *testing.T) {
	var b strings.Builder
	long := strings.Repeat("y", 10_000)
	fmt.Fprintf(&b, "time 1\nnix %s\nguard %[1]s\nlock 1 1 %[1]s %[1]s\ndisk other %[1]s\nneeds %[1]s\nneeds kernel\nneeds kernel\n", long)
	for i := range 1000 {
		fmt.Fprintf(&b, "failed unit-%d.service\nlacks tool-%[1]d\n", i)
	}
	in, err := New(says(b.String()), time.Minute).Inspect(t.Context(), InspectRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(in.Facts.FailedUnits); n != maxList+1 || in.Facts.FailedUnits[maxList] != "…" {
		t.Errorf("%d failed units, the last is %q", n, in.Facts.FailedUnits[n-1])
	}
	if n := len(in.Lacks); n != maxList+1 {
		t.Errorf("it lacks %d programs", n)
	}
	if diff := cmp.Diff([]string{"kernel"}, in.Facts.Needs); diff != "" {
		t.Error(diff)
	}
	for _, s := range []string{in.Facts.Nix, in.Guard, in.Lock.Run, in.Lock.Who, in.Disk.Device} {
		if len(s) > maxWord+len("…") {
			t.Errorf("%d bytes: %.20s", len(s), s)
		}
	}
}

// A comparison holds no path that was not asked about, and no other twice.
func TestComparisonsHoldWhatWasAsked(t *testing.T) {
	const a, b = store.Path("/nix/store/00000000000000000000000000000001-a"), store.Path("/nix/store/00000000000000000000000000000002-b")
	c, err := New(says(fmt.Sprintf("lacks %s\nlacks %[1]s\nlacks %s\nhas %[2]s\nhas /etc/passwd\n", a, b)), time.Minute).Compare(t.Context(), []store.Path{a})
	if err != nil {
		t.Fatal(err)
	}
	want := Comparison{Lacks: []store.Path{a}, Has: []store.Path{b}, Parts: map[string]string{}}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
}

func TestAnswersThatAreTooLongAreErrors(t *testing.T) {
	h := New(says(strings.Repeat("lacks x\n", 1<<20)), time.Minute)
	for name, ask := range map[string]func() error{
		"inspect":     func() error { _, err := h.Inspect(t.Context(), InspectRequest{}); return err },
		"compare":     func() error { _, err := h.Compare(t.Context(), []store.Path{"x"}); return err },
		"generations": func() error { _, err := h.Generations(t.Context()); return err },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), name+": the answer is longer than ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
