package exec_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"muster/exec"
	"muster/exec/lab"
)

// What a system does when it is activated, it does once in a deployment, and once
// more on each way back: an activation script, a oneshot that multi-user.target
// wants, a migration that fails when it is run again, and what the managers of users
// run after their re-execution. See counting in systems_test.go.
func TestADeploymentActivatesOnce(t *testing.T) {
	t.Parallel()
	f := newFieldIn(t, lab.Options{Hosts: []string{"web"}, Systemd: true})
	f.opts = patient(f.opts)
	web := f.lab.Host("web")
	deploy := func(name string) exec.Outcome {
		return f.deploy(t.Context(), exec.Switch, f.all(system(t, name)), nil)[0]
	}
	if o := deploy("counts1"); o.Status != exec.Activated {
		t.Fatalf("%s: %s: %v", o.Status, o.Stage, o.Err)
	}
	f.awaitUnits(web)
	for _, tt := range []struct {
		name, system string
		before       func(*field, *lab.Host)
		status       exec.Status
		stage        exec.Stage
		says         string
		activated    []string // the systems, by their numbers
		ends         string
	}{
		{"it is confirmed", "counts2", checked, exec.Activated, "", "", []string{"2"}, "counts2"},
		{"it returns while it activates", "counts3", checked, exec.RolledBack, exec.Activate, "failed: broken.service", []string{"3", "2"}, "counts2"},
		{"it returns while it waits", "counts4", failing, exec.RolledBack, exec.Health, "health check", []string{"4", "2"}, "counts2"},
		{"it returns while it is confirmed", "counts5", checked, exec.RolledBack, exec.Confirm, "switch-to-configuration boot: exit status 1", []string{"5", "2"}, "counts2"},
		{"it is confirmed after all that", "counts6", checked, exec.Activated, "", "", []string{"6"}, "counts6"},
	} {
		script("rm -f /count/script /count/oneshot /count/migration /count/user")(f, web)
		tt.before(f, web)
		o := deploy(tt.system)
		if o.Status != tt.status || o.Stage != tt.stage || !strings.Contains(o.Error, tt.says) {
			t.Errorf("%s: %s: %s: %v", tt.name, o.Status, o.Stage, o.Err)
		}
		f.settle(web)
		want, got := map[string]string{}, map[string]string{}
		for _, what := range []string{"script", "oneshot", "migration", "user"} {
			want[what] = strings.Join(tt.activated, "\n") + "\n"
			text, err := web.ReadFile("/count/" + what)
			if got[what] = string(text); err != nil {
				got[what] = fmt.Sprint(err)
			}
		}
		if !maps.Equal(want, got) {
			t.Errorf("%s: the systems that did it (-want +got):\n%s", tt.name, cmp.Diff(want, got))
		}
		f.expect("web", tt.ends, tt.ends, tt.ends)
	}
}
