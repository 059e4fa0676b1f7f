// Package clock is what the scheduling of a run needs of goroutines and time, so that
// the same code schedules real hosts and simulated ones.
//
//	Real       the Go runtime and the machine's clock
//	Simulated  one goroutine at a time, in a fixed order; time passes when all wait
package clock

import (
	"context"
	"time"
)

// A Clock starts goroutines and lets them wait. What waits by other means than
// these methods does not let simulated time pass.
type Clock interface {
	Now() time.Time
	// Go calls f in a goroutine of its own.
	Go(f func())
	// Sleep waits for a duration. Its error is why ctx ended before.
	Sleep(ctx context.Context, d time.Duration) error
	// Wait waits until c is closed. Its error is why ctx ended before.
	Wait(ctx context.Context, c <-chan struct{}) error
	// Acquire takes a place in a semaphore, which is a channel with room for as many
	// as there are places. A receive from the channel gives the place back. The error
	// is why ctx ended before.
	Acquire(ctx context.Context, places chan struct{}) error
}

// Real is the Go runtime and the machine's clock.
type Real struct{}

// Now implements [Clock].
func (Real) Now() time.Time { return time.Now() }

// Go implements [Clock].
func (Real) Go(f func()) { go f() }

// Sleep implements [Clock].
func (Real) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Wait implements [Clock].
func (Real) Wait(ctx context.Context, c <-chan struct{}) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c:
		return nil
	}
}

// Acquire implements [Clock].
func (Real) Acquire(ctx context.Context, places chan struct{}) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case places <- struct{}{}:
		return nil
	}
}
