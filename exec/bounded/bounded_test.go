package bounded_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"muster/exec/bounded"
)

func TestHead(t *testing.T) {
	full := errors.New("full")
	for _, tt := range []struct {
		name     string
		answer   error
		writes   []string
		kept     string
		exceeded int // writes
		err      error
	}{
		{"all fits", nil, []string{"ab", "cde"}, "abcde", 0, nil},
		{"the rest is dropped", nil, []string{"abcd", "ef", "g"}, "abcde", 2, nil},
		{"the writer is stopped", full, []string{"abcd", "ef"}, "abcde", 1, full},
	} {
		t.Run(tt.name, func(t *testing.T) {
			exceeded := 0
			head := &bounded.Head{Limit: 5, Full: func() error { exceeded++; return tt.answer }}
			var err error
			for _, s := range tt.writes {
				_, err = io.WriteString(head, s)
			}
			if got := head.String(); got != tt.kept || exceeded != tt.exceeded || !errors.Is(err, tt.err) {
				t.Errorf("kept %q, exceeded %d times, error %v; want %q, %d, %v", got, exceeded, err, tt.kept, tt.exceeded, tt.err)
			}
		})
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tail := &bounded.Tail{Limit: 4}
	for _, s := range []string{"ab", "c", strings.Repeat("x", 100), "yz"} {
		if n, err := io.WriteString(tail, s); n != len(s) || err != nil {
			t.Fatalf("write %q: %d, %v", s, n, err)
		}
	}
	if got := tail.String(); got != "xxyz" {
		t.Errorf("kept %q, want xxyz", got)
	}
}
