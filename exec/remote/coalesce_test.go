package remote

import (
	"testing"
	"time"
)

func TestReadsAreDelayedWhileMuchIsSent(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name    string
		sent    int64
		elapsed time.Duration
		want    time.Duration
	}{
		{"nothing", 0, 10 * ms, 0},
		{"questions on a fast network", 2_000, 10 * ms, 0},
		{"a script, after a minute of silence", 100_000, time.Minute, 0},
		{"one of eight hosts, 11 MB/s", 110_000, 10 * ms, 4 * ms},
		{"the only host, 45 MB/s", 450_000, 10 * ms, 2 * ms},
		{"200 Mbit/s", 250_000, 10 * ms, 4 * ms},
		{"10 Gbit/s", 12_500_000, 10 * ms, 0},
	}
	for _, tt := range tests {
		if got := readDelay(tt.sent, tt.elapsed); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}
