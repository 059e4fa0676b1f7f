package transfer

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"muster/compile/store"
)

// Substitution happens on the destination, from its own caches.
func TestDestinationSubstitutes(t *testing.T) {
	from, top := builtClosure(t)
	cache := t.TempDir()
	from.Run("nix", "copy", "--to", "file://"+cache, string(top))
	to := newStore(t)
	to.Conf = "substitute = true\nrequire-sigs = false\nsubstituters = file://" + cache
	to.Home = t.TempDir()
	stats, err := copyClosure(context.Background(), from.local(), to.client(), []store.Path{top}, Options{Substitute: true})
	if err != nil || stats.Closure != 60 || stats.Missing != 0 {
		t.Errorf("got %+v, %v, want nothing left to send", stats, err)
	}
	to.Verify()
	if out, err := exec.Command("sh", "-c", "ls "+to.Dir()+" | wc -l").Output(); err != nil || strings.TrimSpace(string(out)) != "60" {
		t.Errorf("%s paths on the destination, %v", out, err)
	}
}
