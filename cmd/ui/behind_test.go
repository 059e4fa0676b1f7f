package ui

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBehindSaysWhat(t *testing.T) {
	since := time.Date(2026, 1, 31, 14, 22, 33, 0, time.Local)
	for _, tt := range []struct {
		behind *Behindness
		want   string
	}{
		{nil, ""},
		{&Behindness{Run: "20260131-142233-k3qz"}, ""}, // the host did not say since when
		{&Behindness{Since: since, Wanted: 7, Newest: 7}, "since 2026-01-31 14:22:33, taken back from the inventory's generation 7"},
		{&Behindness{Since: since, Wanted: 2, Newest: 5}, "since 2026-01-31 14:22:33; the inventory's is generation 2"},
		{&Behindness{Since: since, Newest: 7}, "since 2026-01-31 14:22:33, taken back from generation 7; the inventory's system is new to it"},
		{&Behindness{Since: since, Newest: 5, Run: "20260131-142233-k3qz"}, "since 2026-01-31 14:22:33, by run 20260131-142233-k3qz; the inventory's system is new to it"},
		{&Behindness{Since: since}, "since 2026-01-31 14:22:33; the inventory's system is new to it"},
	} {
		if got := tt.behind.detail(5); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.behind, got, tt.want)
		}
	}
	all := make([]HostState, 100)
	for i := range all {
		all[i] = HostState{Host: fmt.Sprint("h", i), State: Behind, Generation: i, Behind: &Behindness{Since: since.Add(time.Duration(i) * time.Hour)}}
	}
	var out strings.Builder
	printStates(page{w: &out, width: 200, height: 24}, all)
	if strings.Contains(out.String(), "since") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("hosts that are behind since other times share no line:\n%s", &out)
	}
}
