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

func TestJitterLengthensAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		different := map[time.Duration]bool{}
		for range 20 {
			b := backoff.Backoff{First: time.Second, Max: time.Second, Jitter: true}
			began := time.Now()
			if err := b.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			if took < time.Second || took >= 2*time.Second {
				t.Errorf("waited %v, want 1s to 2s", took)
			}
			different[took] = true
		}
		if len(different) < 2 {
			t.Error("all waits took the same time")
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
