package exec_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"flag"
	"strings"
	"sync"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/host"
	"muster/exec/objectstore"
	"muster/exec/pull"
	"muster/exec/release"
)

var chaosPull = flag.Bool("chaos-pull", false, "have the hosts of TestChaos pull a release meanwhile, in every run")

// A puller is the agents of all hosts of a field, and the store that they pull from. They reach their hosts by SSH, as the
// mishaps of TestChaos befall connections too; all else is as on a host.
type puller struct {
	*field
	store objectstore.Store
	key   *archive.SecretKey
	dir   string
	opts  exec.Options
}

func newPuller(t testing.TB, f *field, o exec.Options) *puller {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &puller{field: f, dir: t.TempDir(), opts: o}
	if p.key, err = archive.ParseSecretKey([]byte("fleet-1:" + base64.StdEncoding.EncodeToString(private))); err != nil {
		t.Fatal(err)
	}
	if p.store, err = objectstore.Open("file://"+p.dir+"/store", objectstore.Options{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// publish publishes a system for all hosts, in one wave.
func (p *puller) publish(ctx context.Context, system store.Path) error {
	plan := &exec.Plan{}
	for _, h := range p.lab.Hosts {
		plan.Steps = append(plan.Steps, exec.Step{Host: p.hosts[h.Name], System: exec.System{Out: system}})
	}
	now := time.Now()
	_, err := release.Publish(ctx, p.store, &release.Draft{Fleet: "chaos", Plan: plan, Made: now, Until: now.Add(time.Hour)}, []*archive.SecretKey{p.key})
	return err
}

// patience is how long a host polls for what it does not get at once.
const patience = 30 * time.Second

// pull has the agents of all hosts look until they are done, and returns the outcomes of those that have activated.
func (p *puller) pull(ctx context.Context) (outcomes []exec.Outcome) {
	var mu sync.Mutex
	var g sync.WaitGroup
	for _, h := range p.lab.Hosts {
		g.Go(func() {
			m := &pulledHost{puller: p, name: h.Name}
			a := &pull.Agent{Store: p.store, Keys: []archive.PublicKey{p.key.Public()}, Host: h.Name, Dir: p.dir + "/" + h.Name, Machine: m}
			var last pull.Result
			for began := time.Now(); time.Since(began) < patience; time.Sleep(500 * time.Millisecond) {
				r, err := a.Poll(ctx)
				if last = r; err == nil && r.Status.Settled() {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case last.Status == release.Overtaken: // it was left alone
			case m.out != nil:
				outcomes = append(outcomes, *m.out)
			default:
				outcomes = append(outcomes, exec.Outcome{Host: h.Name, Status: exec.Failed, Stage: exec.ConnectTo, Error: last.Text})
			}
		})
	}
	g.Wait()
	return outcomes
}

// A pulledHost is the host of an agent.
type pulledHost struct {
	*puller
	name string
	out  *exec.Outcome
}

func (h *pulledHost) Look(ctx context.Context) (host.State, []host.Deployment, error) {
	m, err := h.connect(ctx, h.hosts[h.name])
	if err != nil {
		return host.State{}, nil, err
	}
	defer m.Close()
	in, err := host.New(m, h.opts.AnswerTimeout).Inspect(ctx, host.InspectRequest{History: true})
	return in.State, in.History.Deployments, err
}

// Fetch does nothing: the activation copies.
func (h *pulledHost) Fetch(context.Context, store.Path, objectstore.Store, []archive.PublicKey) error {
	return nil
}

func (h *pulledHost) Activate(ctx context.Context, plan *exec.Plan, who string, _ func(context.Context) error) exec.Outcome {
	o := h.opts
	o.Who = who
	plan.Steps[0].Host = h.hosts[h.name]
	out := exec.Run(ctx, plan, o)[0]
	h.out = &out
	return out
}

// Push and pull at once on real hosts, without mishaps: a deployment that has succeeded is not undone by a release that was made
// before it, and of two that meet one waits or gives way.
func TestPushAndPull(t *testing.T) {
	f := newField(t, "a", "b", "c")
	f.opts = patient(f.opts)
	p := newPuller(t, f, f.opts)
	if err := p.publish(t.Context(), system(t, "newer")); err != nil {
		t.Fatal(err)
	}
	var pulled []exec.Outcome
	var agents sync.WaitGroup
	agents.Go(func() { pulled = p.pull(t.Context()) })
	pushed := f.deploy(t.Context(), exec.Switch, f.all(system(t, "new")), nil)
	agents.Wait()
	for _, o := range pushed {
		want := "newer"
		if o.OK() {
			want = "new"
		} else if !strings.Contains(o.Error, "works on") && !strings.Contains(o.Error, "moved on") && !strings.Contains(o.Error, "activation") {
			t.Errorf("%s: %s: %s", o.Host, o.Stage, o.Error)
		}
		f.expect(o.Host, want, want, want)
	}
	t.Logf("pushed %d, of which pulled %d", len(pushed), len(pulled))
	// A newer release is taken, whoever has deployed last.
	time.Sleep(1100 * time.Millisecond) // times of deployments are in seconds
	if err := p.publish(t.Context(), system(t, "newer")); err != nil {
		t.Fatal(err)
	}
	p.pull(t.Context())
	for _, h := range f.lab.Hosts {
		f.expect(h.Name, "newer", "newer", "newer")
	}
}
