package report

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec"
	machine "muster/exec/host"
	"muster/schema"
)

// A sample makes the events of a run as real ones are, the same each time.
type sample struct {
	r      *rand.Rand
	report *Report
	name   string // of the host that is at work
	at     time.Time
}

var sampleBegan = time.Date(2026, 1, 31, 14, 22, 33, 0, time.UTC)

// sampleReport is the report of a run on so many hosts, of which some fail.
func sampleReport(hosts int) *Report {
	s := &sample{r: rand.New(rand.NewPCG(1, uint64(hosts)))}
	plan := &exec.Plan{Run: "20260131-142233-k3qz", Dir: "/srv/fleets/production", Action: exec.Switch}
	roles := [][]string{{"web"}, {"db"}, {"kubernetes-node"}, {"web", "monitoring"}, nil}
	for i := range hosts {
		kind := i * len(roles) / max(hosts, 8)
		wave := 0 // every twentieth host is a canary
		if i%20 != 0 {
			wave = 1 + i*4/max(hosts, 8)
		}
		name := fmt.Sprintf("%s%d", []string{"web", "db", "node", "edge", "mail"}[kind], i+1)
		if i == 2 {
			name = "xn--longest-of-all-names-in-this-fleet.example.org"
		}
		plan.Steps = append(plan.Steps, exec.Step{
			Host: &schema.Host{Name: name, Address: fmt.Sprintf("10.1.%d.%d", i/250, i%250+1), Roles: roles[kind]},
			Wave: wave, System: exec.System{Out: sampleSystem(name, "new")},
		})
	}
	s.report = New(plan, sampleBegan)
	waves := len(plan.Waves())
	opened := sampleBegan.Add(4 * time.Second)
	failures := 0
	for w := range waves {
		last := opened
		s.report.Add(opened, exec.WaveStarted{Wave: w + 1, Of: waves})
		n := 0
		for i := range plan.Steps {
			if plan.Steps[i].Wave != w {
				continue
			}
			s.host(i, opened.Add(time.Duration(n/10)*300*time.Millisecond))
			n++
			if s.at.After(last) {
				last = s.at
			}
			if h := s.report.hosts[i]; h.failed() {
				failures++
			}
		}
		opened = last.Add(200 * time.Millisecond)
		if w == 1 {
			opened = last.Add(10 * time.Minute) // a pause of the rollout
		}
	}
	s.report.End(exec.ExitOK)
	if failures > 0 {
		s.report.End(exec.ExitPartly)
	}
	return s.report
}

func sampleSystem(name, which string) store.Path {
	digest := strings.Repeat(map[string]string{"new": "n3w", "old": "0ld"}[which], 11)[:32]
	return store.Path("/nix/store/" + digest + "-nixos-system-" + name + "-24.11")
}

// host adds what happens to one host, whose wave opens at a time.
func (s *sample) host(i int, opened time.Time) {
	h := s.report.hosts[i]
	s.name = h.Name
	s.at = sampleBegan.Add(time.Duration(s.r.IntN(1500)) * time.Millisecond)
	old := sampleSystem(h.Name, "old")
	state := machine.State{Current: old, Boots: old, Booted: old, Generation: machine.Generation{Number: 40 + i%9, System: old}}
	out := exec.Outcome{Host: h.Name, Before: state, System: s.report.plan.Steps[i].System.Out, Wave: h.wave + 1, After: state.Generation, Running: old, Boots: old}
	fail := func(status exec.Status, stage exec.Stage, err error) {
		out.Status, out.Stage, out.Error = status, stage, err.Error()
		s.add(exec.HostEnded{Outcome: out})
	}
	if i%97 == 11 {
		s.stage(exec.ConnectTo, 10*time.Second, "unreachable: connect to "+h.Address+":22: connection refused")
		fail(exec.Failed, exec.ConnectTo, errors.New("unreachable: connect to "+h.Address+":22: connection refused"))
		return
	}
	s.stage(exec.ConnectTo, s.about(180), "")
	by := "20260102-090000-aaaa"
	if i%50 == 3 {
		by = ""
	}
	s.add(exec.Inspected{Host: h.Name, State: state, DeployedBy: by})
	s.stage(exec.Inspect, s.about(250), "")
	if i%29 == 7 {
		out.Status, out.System = exec.Unchanged, old
		s.add(exec.HostEnded{Outcome: out})
		return
	}
	if i%40 == 5 {
		s.add(exec.Found{Host: h.Name, Finding: exec.Finding{Check: "clock", Text: "it is 40 s ahead of this machine"}})
	}
	s.stage(exec.Build, s.about(2200), "")
	s.stage(exec.Lock, s.about(90), "")
	s.add(exec.PackagesCompared{Host: h.Name, PackageDiff: samplePackages(i)})
	s.stage(exec.Copy, s.about(1500), "")
	out.Paths, out.Bytes = 54, 61_600_000
	if opened.After(s.at) {
		s.at = opened
	}
	for _, text := range []string{"stopping the following units: nginx.service", "activating the configuration...", "setting up /etc...", "reloading user units for root...", "starting the following units: nginx.service"} {
		s.add(exec.Said{Host: h.Name, Stage: exec.Activate, Line: text})
	}
	if i%31 == 1 {
		why := "switch-to-configuration test: exit status 4: the unit nginx.service has failed"
		for n := range 12 {
			s.add(exec.Said{Host: h.Name, Stage: exec.Activate, Line: fmt.Sprintf("nginx[%d]: [emerg] bind() to 0.0.0.0:443 failed (98: Address already in use) <b>try %d</b>", 800+n, n)})
		}
		s.stage(exec.Activate, s.about(3000), why)
		fail(exec.RolledBack, exec.Activate, errors.New(why+"\nnginx: [emerg] bind() to 0.0.0.0:443 failed (98: Address already in use)\nnginx: configuration file /etc/nginx/nginx.conf test failed"))
		return
	}
	s.stage(exec.Activate, s.about(2800), "")
	s.stage(exec.Reach, s.about(200), "")
	s.stage(exec.Health, s.about(600), "")
	s.stage(exec.Confirm, s.about(300), "")
	out.Status, out.Running, out.Boots = exec.Activated, out.System, out.System
	out.After = machine.Generation{Number: state.Generation.Number + 1, System: out.System}
	if i%25 == 8 {
		out.NeedsReboot = []string{"kernel", "kernel-modules"}
	}
	s.add(exec.HostEnded{Outcome: out})
}

// samplePackages are the packages that change on a host: one of three lists.
func samplePackages(i int) exec.PackageDiff {
	p := func(name, before, after string) *exec.Package {
		x := &exec.Package{Name: name}
		if before != "" {
			x.Before = []string{before}
		}
		if after != "" {
			x.After = []string{after}
		}
		return x
	}
	d := exec.PackageDiff{
		Changed: []*exec.Package{p("nginx", "1.26.2", "1.26.3"), p("openssl", "3.3.2", "3.3.3"), p("linux", "6.6.63", "6.6.68")},
		Rebuilt: 41,
	}
	switch i % 3 {
	case 1:
		d.Added = []*exec.Package{p("prometheus-node-exporter", "", "1.8.2")}
	case 2:
		d.Removed = []*exec.Package{p("collectd", "5.12.0", "")}
	}
	return d
}

// about is a duration near some milliseconds.
func (s *sample) about(ms int) time.Duration {
	return time.Duration(ms/2+s.r.IntN(ms)) * time.Millisecond
}

func (s *sample) add(e exec.Event) { s.report.Add(s.at, e) }

// stage adds a stage of the host that is at work.
func (s *sample) stage(stage exec.Stage, took time.Duration, err string) {
	s.report.Add(s.at, exec.StageStarted{Host: s.name, Stage: stage})
	s.at = s.at.Add(took)
	s.report.Add(s.at, exec.StageEnded{Host: s.name, Stage: stage, Took: took, Err: err})
}
