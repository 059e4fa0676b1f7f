package exec

import (
	"context"
	"errors"
	"slices"
	"testing"

	"muster/exec/builds"
	"muster/schema"
)

// A builder that has everything.
type hasAll struct{}

func (hasAll) Build(_ context.Context, wants []builds.Want, _ builds.Watcher) {
	for _, w := range wants {
		w.Done(newSystem, nil)
	}
}

// A host without an address is built for where an action builds, and never
// connected to.
func TestUnconnectedHostsAreBuiltOnly(t *testing.T) {
	for action, list := range stages {
		var begun []Stage
		plan := &Plan{Action: action, Steps: []Step{{
			Host:   &schema.Host{Name: "image", Unconnected: true},
			System: System{Drv: "/nix/store/00000000000000000000000000000003-web.drv"},
			Hooks:  []schema.Hook{{Before: "build", OnHost: true, Command: []string{"false"}}},
		}}}
		out := Run(t.Context(), plan, Options{
			Builder: hasAll{},
			Connect: func(context.Context, *schema.Host) (Machine, error) { return nil, errors.New("connected") },
			Sink: func(e Event) {
				if e, ok := e.(StageStarted); ok {
					begun = append(begun, e.Stage)
				}
			},
		})
		want := NoAddress
		if action == BuildOnly {
			want = Built
		}
		if o := out[0]; o.Status != want || !o.OK() || slices.Contains(list, Build) != (o.System == newSystem) {
			t.Errorf("%s: %s, system %q: %v", action, o.Status, o.System, o.Err)
		}
		if slices.Contains(list, Build) != slices.Equal(begun, []Stage{Build}) {
			t.Errorf("%s: stages %v", action, begun)
		}
	}
}

// A hereHost is the machine that muster runs on.
type hereHost struct{ *fakeHost }

func (hereHost) Here() bool { return true }

// muster does not restart the machine it runs on, and says so.
func TestThisMachineIsNotRestarted(t *testing.T) {
	h := newFakeHost(oldSystem, newSystem)
	h.facts = "needs kernel\n"
	plan := &Plan{Action: Rollback, Steps: []Step{{Host: &schema.Host{Name: "web", Local: true}}}}
	out := Run(t.Context(), plan, Options{
		Reboot:  true,
		Connect: func(context.Context, *schema.Host) (Machine, error) { return hereHost{h}, nil },
	})
	said := slices.ContainsFunc(out[0].Findings, func(f Finding) bool { return f.Check == "reboot" && !f.Bad })
	if o := out[0]; o.Status != Reverted || o.Rebooted || !said || len(o.NeedsReboot) == 0 {
		t.Errorf("%s, restarted %v, needs %v, findings %v: %v", o.Status, o.Rebooted, o.NeedsReboot, o.Findings, o.Err)
	}
}
