package sshconfig

import "testing"

func TestMatchPattern(t *testing.T) {
	for _, tt := range []struct {
		name, pattern string
		want          bool
	}{
		{"web1", "web1", true}, {"web1", "web", false}, {"web1", "web?", true}, {"web1", "*", true}, {"", "*", true},
		{"web1.example.org", "*.example.*", true}, {"web1", "w*b*1", true}, {"web1", "w*b*2", false}, {"web", "web*", true},
		{"web", "web?", false}, {"", "", true}, {"a", "", false}, {"aab", "*ab", true}, {"WEB1", "web1", false},
	} {
		if got := MatchPattern(tt.name, tt.pattern); got != tt.want {
			t.Errorf("%q, %q: got %v", tt.name, tt.pattern, got)
		}
	}
}
