// Package backoff spaces out the attempts of a loop that tries until something
// succeeds.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Backoff waits between attempts: First before the second attempt, then twice
// as long each time, up to Max. The zero value does not wait.
//
//	b := backoff.Backoff{First: 50 * time.Millisecond, Max: time.Second}
//	for {
//		if err := try(); err == nil {
//			return nil
//		}
//		if err := b.Wait(ctx); err != nil {
//			return err
//		}
//	}
type Backoff struct {
	First, Max time.Duration

	// Jitter adds up to as much again to each wait, at random. Loops that
	// fail at the same moment then do not try again at the same moment.
	Jitter bool

	next time.Duration
}

// Wait waits for the next attempt. It returns the cause of ctx's end where
// that comes first.
func (b *Backoff) Wait(ctx context.Context) error {
	if b.next == 0 {
		b.next = b.First
	}
	wait := b.next
	if b.Jitter && wait > 0 {
		wait += rand.N(wait)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
	}
	b.next = min(2*b.next, b.Max)
	return nil
}

// Reset makes the next wait the first one again.
func (b *Backoff) Reset() { b.next = 0 }
