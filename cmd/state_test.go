package cmd

import (
	"strings"
	"testing"
)

func TestNoteOnState(t *testing.T) {
	for _, tt := range []struct{ home, state, want string }{
		{home: "/root", state: "", want: ""},
		{home: "/root", state: "/var/state", want: ""},
		{home: "/root", state: "state", want: `XDG_STATE_HOME is "state", not an absolute path: state is kept in /root/.local/state/muster/gcroots/fleet-`},
		{home: "", state: "", want: "neither XDG_STATE_HOME nor HOME is set"},
	} {
		t.Setenv("HOME", tt.home)
		t.Setenv("XDG_STATE_HOME", tt.state)
		got := noteOnState(stateDir("/srv/fleet", "gcroots"))
		if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%+v: got %q", tt, got)
		}
	}
}

func TestCacheDir(t *testing.T) {
	for _, tt := range []struct{ home, cache, want string }{
		{home: "/root", cache: "", want: "/root/.cache"},
		{home: "/root", cache: "/var/cache", want: "/var/cache"},
		{home: "/root", cache: "cache", want: "/root/.cache"},
		{home: "", cache: "/var/cache", want: "/var/cache"},
	} {
		t.Setenv("HOME", tt.home)
		t.Setenv("XDG_CACHE_HOME", tt.cache)
		if got, err := cacheDir(); got != tt.want || err != nil {
			t.Errorf("%+v: got %q, %v", tt, got, err)
		}
	}
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "cache")
	if got, err := cacheDir(); err == nil {
		t.Errorf("without a home: got %q", got)
	}
}
