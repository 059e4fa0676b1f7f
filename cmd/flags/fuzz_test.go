package flags_test

import (
	"testing"
	"time"

	"muster/cmd/flags"
)

// A value that is taken is within its kind's bounds, and what it is shown as is taken too, and the same.
func FuzzKinds(f *testing.F) {
	for _, s := range []string{"1h30m", "-1s", "0", "9223372036854775807", "0x10", "1e3", "a=b=c", "true", "9999999999h", "+5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var (
			number         int64
			positive, rest time.Duration
		)
		for _, kind := range []struct {
			value flags.Value
			holds func() bool
			is    func() any
		}{
			{flags.Number(&number, 5, 1, 100), func() bool { return number >= 1 && number <= 100 }, func() any { return number }},
			{flags.Positive(&positive, time.Minute), func() bool { return positive > 0 }, func() any { return positive }},
			{flags.NotNegative(&rest, time.Minute), func() bool { return rest >= 0 }, func() any { return rest }},
		} {
			err := kind.value.Set(text)
			if !kind.holds() {
				t.Errorf("%q is taken as %v, %v", text, kind.is(), err)
			}
			was := kind.is()
			if err := kind.value.Set(kind.value.String()); err != nil || kind.is() != was {
				t.Errorf("%q is %v, shown as %q: %v, %v", text, was, kind.value.String(), kind.is(), err)
			}
		}
	})
}
