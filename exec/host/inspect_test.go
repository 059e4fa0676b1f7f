package host

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
)

const (
	oldSystem = store.Path("/nix/store/00000000000000000000000000000001-nixos-system-web-1")
	newSystem = store.Path("/nix/store/00000000000000000000000000000002-nixos-system-web-2")
)

func TestFactsAreRead(t *testing.T) {
	for _, tt := range []struct {
		name, out string
		want      State
	}{
		{"a NixOS", "time 1700000000\nprofile " + string(newSystem) + "\ncurrent " + string(oldSystem) + "\nlink system-7-link\n",
			State{Generation: Generation{Number: 7, System: newSystem, Current: true}, Current: oldSystem}},
		{"not yet NixOS", "motd\ntime 1700000000\n", State{}},
		{"somebody's own profile", "time 1700000000\nprofile /opt/x\nlink /nix/var/nix/profiles/other-3-link\n", State{}},
	} {
		in, err := parseInspection(tt.out, time.Now(), time.Now())
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, in.State); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
	if _, err := parseInspection("motd", time.Now(), time.Now()); err == nil {
		t.Error("nonsense was accepted")
	}
	if _, err := parseInspection("time 1700000000\nuid 1000\n", time.Now(), time.Now()); err == nil {
		t.Error("a user who is not root was accepted")
	}
}

func TestClockSkew(t *testing.T) {
	now := time.Unix(1_700_000_000, 500_000_000)
	for _, tt := range []struct{ said, asked, answered, want time.Duration }{
		{0, 0, 100 * time.Millisecond, 0},
		{-500 * time.Millisecond, 0, 100 * time.Millisecond, 0}, // its seconds are whole
		{time.Hour, 0, time.Second, time.Hour - time.Second},
		{-time.Hour, 0, time.Second, -time.Hour + time.Second},
	} {
		if got := skew(now.Add(tt.said), now.Add(tt.asked), now.Add(tt.answered)); got != tt.want {
			t.Errorf("said %v: %v, want %v", tt.said, got, tt.want)
		}
	}
}
