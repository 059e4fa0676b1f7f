//go:build !linux

package remote

import "time"

// HeldUp is known on Linux only.
func (m *Machine) HeldUp() (time.Duration, bool) { return 0, false }

// RoundTrip is known on Linux only.
func (m *Machine) RoundTrip() (time.Duration, bool) { return 0, false }
