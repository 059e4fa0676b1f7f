package evaluate

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"muster/schema"
)

// A stopper ends a context when it is told something, but not before after is closed.
type stopper struct {
	word  string
	after <-chan struct{}
	stop  context.CancelCauseFunc
}

var errStop = errors.New("enough")

func (s stopper) Write(b []byte) (int, error) {
	if strings.Contains(string(b), s.word) {
		go func() {
			<-s.after
			s.stop(errStop)
		}()
	}
	return len(b), nil
}

// TestWhatWasEvaluatedSurvivesAnInterrupt interrupts the evaluation of b. The system
// of a is returned, and taken from the cache the next time.
func TestWhatWasEvaluatedSurvivesAnInterrupt(t *testing.T) {
	w := newFleetDir(t)
	w.write("b.nix", `{ ... }: { say = builtins.trace "b loops" (let f = n: if n == 0 then "" else f (n - 1) + f (n - 1); in f 64); }`)
	fleet, err := schema.Load(t.Context(), w.dir, schema.Options{})
	if err != nil {
		t.Fatal(err)
	}
	aDone := make(chan struct{})
	oneDone := sync.OnceFunc(func() { close(aDone) })
	evaluate := func() ([]Result, error) {
		ctx, stop := context.WithCancelCause(t.Context())
		var trace io.Writer = stopper{"b loops", aDone, stop}
		e := Embedded{Options: Options{Fleet: fleet, Trace: trace}, CacheDir: w.caches, FirstDone: oneDone}
		return e.Systems(ctx, fleet.Hosts[:2])
	}
	results, err := evaluate()
	if !errors.Is(err, errStop) || len(results) != 2 {
		t.Fatalf("%d results, %v", len(results), err)
	}
	if r := results[0]; r.Err != nil || r.System.Drv == "" {
		t.Errorf("a: %+v", r)
	}
	if results[1].Err == nil {
		t.Errorf("b has a system: %+v", results[1])
	}
	// a comes from the cache now.
	results, err = evaluate()
	if !errors.Is(err, errStop) || results[0].Err != nil {
		t.Errorf("again: %+v, %v", results[0], err)
	}
}
