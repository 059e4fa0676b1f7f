package schema

import "testing"

func TestParseBytes(t *testing.T) {
	tests := []struct {
		text string
		want int64 // 0: refused
	}{
		{"800", 800},
		{"500k", 500_000},
		{"500K", 500_000},
		{"10M", 10_000_000},
		{"1.5G", 1_500_000_000},
		{"", 0},
		{"k", 0},
		{"0", 0},
		{"-1M", 0},
		{"10 M", 0},
		{"10MB", 0},
		{"1e30", 0},
		{"NaN", 0},
		{"InfG", 0},
	}
	for _, tt := range tests {
		got, err := ParseBytes(tt.text)
		if got != tt.want || (err != nil) != (tt.want == 0) {
			t.Errorf("ParseBytes(%q): got %d, %v, want %d", tt.text, got, err, tt.want)
		}
	}
}
