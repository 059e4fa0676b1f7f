package clock

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestSimulatedTime has three workers share two places: each takes one, sleeps for as long
// as its number says, and gives it back.
func TestSimulatedTime(t *testing.T) {
	for range 20 { // the order is always the same
		var said []string
		began := time.Unix(0, 0)
		Simulate(t.Context(), began, func(s *Simulated) {
			say := func(format string, args ...any) {
				said = append(said, fmt.Sprintf("%v %s", s.Now().Sub(began), fmt.Sprintf(format, args...)))
			}
			places, done := make(chan struct{}, 2), make(chan struct{})
			left := 3
			for i := range 3 {
				s.Go(func() {
					_ = s.Acquire(t.Context(), places)
					say("%d begins", i)
					_ = s.Sleep(t.Context(), time.Duration(i+1)*time.Hour)
					<-places
					say("%d ends", i)
					if left--; left == 0 {
						close(done)
					}
				})
			}
			_ = s.Wait(t.Context(), done)
			say("all are done")
		})
		want := []string{"0s 0 begins", "0s 1 begins", "1h0m0s 0 ends", "1h0m0s 2 begins", "2h0m0s 1 ends", "4h0m0s 2 ends", "4h0m0s all are done"}
		if diff := cmp.Diff(want, said); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func TestAnInterruptionEndsTheSimulation(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	var errs []error
	Simulate(ctx, time.Now(), func(s *Simulated) {
		s.Go(func() { errs = append(errs, s.Wait(ctx, make(chan struct{}))) })
		s.Go(func() { errs = append(errs, s.Sleep(ctx, time.Hour)) })
		_ = s.Sleep(ctx, time.Minute)
		cancel(stop)
	})
	for _, err := range errs {
		if !errors.Is(err, stop) {
			t.Errorf("%v", err)
		}
	}
	if len(errs) != 2 {
		t.Errorf("%d waits have ended", len(errs))
	}
}

// TestReal shows that waiting in the Go runtime ends with the context.
func TestReal(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("interrupted")
	cancel(stop)
	full := make(chan struct{}, 1)
	full <- struct{}{}
	for what, err := range map[string]error{
		"sleep":   Real{}.Sleep(ctx, time.Hour),
		"wait":    Real{}.Wait(ctx, make(chan struct{})),
		"acquire": Real{}.Acquire(ctx, full),
	} {
		if !errors.Is(err, stop) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
