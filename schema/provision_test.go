package schema

import "testing"

// A size of libvirt is read whole: nothing stands around it, and no number of it overflows.
func TestParseLibvirtSize(t *testing.T) {
	for _, tt := range []struct {
		size         string
		cpus, memory int
		ok           bool
	}{
		{"2x4G", 2, 4096, true},
		{"1x512M", 1, 512, true},
		{"2x4", 0, 0, false},
		{"0x4G", 0, 0, false},
		{"2x0G", 0, 0, false},
		{"513x4G", 0, 0, false},
		{"-2x4G", 0, 0, false},
		{"2x4G 8G", 0, 0, false},
		{"2x 4G", 0, 0, false},
		{"2x18014398509481985G", 0, 0, false},
	} {
		cpus, memory, ok := ParseLibvirtSize(tt.size)
		if ok != tt.ok || ok && (cpus != tt.cpus || memory != tt.memory) {
			t.Errorf("%q: got %d, %d, %v, want %d, %d, %v", tt.size, cpus, memory, ok, tt.cpus, tt.memory, tt.ok)
		}
	}
}
