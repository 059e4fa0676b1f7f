package transfer

import (
	"testing"
	"time"
)

// The samples were measured on lab hosts.
func TestSlowSamples(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name string
		s    sample
		left int64
		slow bool
	}{
		{"200 Mbit/s", sample{took: 181 * ms, bytes: 4_200_000, held: 176 * ms, heldKnown: true}, 150e6, true},
		{"200 Mbit/s, machine busy", sample{took: 198 * ms, bytes: 4_200_000, held: 168 * ms, heldKnown: true, busy: true}, 150e6, true},
		{"20 ms, machine busy", sample{took: 1022 * ms, bytes: 900_000, held: 636 * ms, heldKnown: true, busy: true}, 100e6, true},
		{"eight hosts, machine busy", sample{took: 187 * ms, bytes: 4_300_000, held: 84 * ms, heldKnown: true, busy: true}, 150e6, false},
		{"slow receiver", sample{took: 500 * ms, bytes: 4_200_000, held: 12 * ms, heldKnown: true}, 150e6, false},
		{"fast link", sample{took: 100 * ms, bytes: 20_000_000, held: 90 * ms, heldKnown: true}, 150e6, false},
		{"few bytes left", sample{took: 181 * ms, bytes: 4_200_000, held: 176 * ms, heldKnown: true}, 8e6, false},
		{"network unknown", sample{took: 181 * ms, bytes: 4_200_000}, 150e6, true},
		{"network unknown, machine busy", sample{took: 181 * ms, bytes: 4_200_000, busy: true}, 150e6, false},
		{"a limit, machine busy", sample{took: 1000 * ms, bytes: 4_200_000, limited: 800 * ms, heldKnown: true, busy: true}, 150e6, true},
		{"a limit that is not the reason", sample{took: 1000 * ms, bytes: 4_200_000, limited: 200 * ms, heldKnown: true, busy: true}, 150e6, false},
	}
	for _, tt := range tests {
		if got := tt.s.slow(tt.left); got != tt.slow {
			t.Errorf("%s: slow is %v", tt.name, got)
		}
	}
}

func TestBusy(t *testing.T) {
	now, ok := readCPU()
	if !ok {
		t.Skip("this kernel does not tell")
	}
	if now.total <= 0 || now.idle < 0 || now.idle > now.total {
		t.Errorf("%+v", now)
	}
	if busySince(cpuTime{idle: now.idle - 500, total: now.total - 1000}) {
		t.Error("half of the time was idle, and busySince is true")
	}
	if !busySince(cpuTime{idle: now.idle, total: now.total - 1_000_000}) {
		t.Error("no time was idle, and busySince is false")
	}
}
