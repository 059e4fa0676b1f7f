package cmd

import (
	"runtime"
	"testing"
)

func TestARunTakesHalfOfTheProcessors(t *testing.T) {
	before := runtime.GOMAXPROCS(5)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	t.Setenv("GOMAXPROCS", "")
	widen := narrow()
	if n := runtime.GOMAXPROCS(0); n != 3 {
		t.Errorf("%d of 5 processors while it runs", n)
	}
	widen()
	if n := runtime.GOMAXPROCS(0); n != 5 {
		t.Errorf("%d of 5 processors after it", n)
	}
	t.Setenv("GOMAXPROCS", "4")
	defer narrow()()
	if n := runtime.GOMAXPROCS(0); n != 5 {
		t.Errorf("%d processors, though the environment says how many", n)
	}
}
