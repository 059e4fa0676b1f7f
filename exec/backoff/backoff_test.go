package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"muster/exec/backoff"
)

func TestWaitsDoubleUpToTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := backoff.Backoff{First: time.Second, Max: 3 * time.Second}
		for i, want := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			began := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took != want {
				t.Errorf("wait %d took %v, want %v", i, took, want)
			}
		}
		b.Reset()
		began := time.Now()
		b.Wait(t.Context())
		if took := time.Since(began); took != time.Second {
			t.Errorf("the wait after Reset took %v, want 1s", took)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	cause := errors.New("the user left")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	b := backoff.Backoff{First: time.Hour, Max: time.Hour}
	if err := b.Wait(ctx); !errors.Is(err, cause) {
		t.Errorf("Wait: %v, want %v", err, cause)
	}
}
