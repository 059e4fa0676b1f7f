package report

import (
	"bytes"
	"fmt"
	"html"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec"
	machine "muster/exec/host"
	"muster/schema"
)

func textOf(t *testing.T, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Write(&b, Options{Version: "1.0", Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What hosts, builds and inventories say is text on the page, whatever it says.
func TestForeignTextIsEscaped(t *testing.T) {
	const evil = `</script></style></pre>"'><script>alert(1)</script><img src=//x.example/ onerror=alert(1)>` + "\x1b[31m\u202e"
	plan := &exec.Plan{Run: "20260131-142233-k3qz", Dir: "/srv/" + evil, Action: exec.Switch, Steps: []exec.Step{
		{Host: &schema.Host{Name: "web1", Address: evil, Roles: []string{evil}}},
		{Host: &schema.Host{Name: evil}},
	}}
	r := New(plan, sampleBegan)
	for _, name := range []string{"web1", evil} {
		for _, e := range []exec.Event{
			exec.StageStarted{Host: name, Stage: exec.Activate},
			exec.Inspected{Host: name, State: machine.State{Current: evil, Boots: evil, Generation: machine.Generation{Number: 1, System: "x"}}},
			exec.Said{Host: name, Stage: exec.Activate, Line: evil},
			exec.Found{Host: name, Finding: exec.Finding{Check: evil, Text: evil}},
			exec.Checked{Host: name, Check: evil, Err: evil},
			exec.PackagesCompared{Host: name, PackageDiff: exec.PackageDiff{Added: []*exec.Package{{Name: evil, After: []string{evil}}}}},
			exec.StageEnded{Host: name, Stage: exec.Activate, Err: evil},
			exec.HostEnded{Outcome: exec.Outcome{Host: name, Status: exec.Failed, Stage: exec.Activate, Error: evil + "\n" + evil, Secrets: []exec.SecretChange{{Name: evil, Change: evil}}, NeedsReboot: []string{evil}}},
		} {
			r.Add(sampleBegan.Add(time.Second), e)
		}
	}
	text := textOf(t, r)
	for _, element := range []string{"<script", "<img", "</style", "</script"} {
		if n, most := strings.Count(text, element), map[string]int{"<script": 1, "<img": 0, "</style": 1, "</script": 1}[element]; n != most {
			t.Errorf("the page has %d times %s", n, element)
		}
	}
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("the page has control characters")
	}
	if strings.Contains(text, "ZgotmplZ") {
		t.Error("the template has put a text where it does not belong")
	}
}

// The report of a journal is the report of its events.
func TestReadsJournals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "runs")
	plan := &exec.Plan{Dir: "/srv/shop", Action: exec.Switch, Steps: []exec.Step{{Host: &schema.Host{Name: "web1", Address: "192.0.2.1", Roles: []string{"web"}}}, {Host: &schema.Host{Name: "db1"}, Wave: 1}}}
	j, err := exec.CreateJournal(dir, plan)
	if err != nil {
		t.Fatal(err)
	}
	sink := j.Sink(func(exec.Event) {})
	sink(exec.WaveStarted{Wave: 1, Of: 2, Hosts: 1})
	sink(exec.StageStarted{Host: "web1", Stage: exec.Copy})
	sink(exec.Said{Host: "web1", Stage: exec.Copy, Line: "no space left on device"})
	sink(exec.StageEnded{Host: "web1", Stage: exec.Copy, Took: time.Second, Err: "disk full"})
	sink(exec.HostEnded{Outcome: exec.Outcome{Host: "web1", Status: exec.Failed, Stage: exec.Copy, Error: "disk full"}})
	sink(exec.StageStarted{Host: "db1", Stage: exec.Build})
	for i, took := range []time.Duration{3, 9, 5} {
		sink(exec.BuildEnded{Drv: store.Path(fmt.Sprintf("/nix/store/0000000000000000000000000000000%d-pkg%d.drv", i, i)), Builder: "ssh://b1?ssh-key=/k", Took: took * time.Second})
	}
	sink(exec.BuildEnded{Drv: "/nix/store/00000000000000000000000000000004-bad.drv", Took: time.Second, Err: "oh <no>"})
	sink(exec.BuilderLost{Builder: "ssh://b2", Why: "Connection refused"})
	if err := j.Close(); err != nil { // its deployer was killed
		t.Fatal(err)
	}
	names, err := exec.Journals(dir)
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	r, err := Read(names[0])
	if err != nil {
		t.Fatal(err)
	}
	text := textOf(t, r)
	for _, want := range []string{
		"<h1>shop</h1>", "Of 2 hosts, 0 done, 1 failed, 1 not ended.", "<p class=\"reason\">disk full</p>", "no space left on device",
		"muster resume --run " + plan.Run, "<h4>web</h4>", "Wave 2 of 2", "never opened",
		`<th scope="row">ssh://b1</th><td>3</td><td>0</td><td>17.0 s</td><td></td>`, `<th scope="row">where muster runs</th><td>0</td><td>1</td>`,
		`<th scope="row">ssh://b2</th><td>0</td><td>0</td><td>0.0 s</td><td>Connection refused</td>`,
		`<th scope="row">pkg1</th><td>ssh://b1</td><td>9.0 s</td><td></td></tr><tr><th scope="row">pkg2</th>`, "<td>oh <no></td>",
		"build 0.0 s, not ended",
	} {
		if !strings.Contains(html.UnescapeString(text), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// A run that is resumed the next day has one time line, with the night cut out.
func TestTimeWithoutWorkIsCut(t *testing.T) {
	at := func(d time.Duration) time.Time { return sampleBegan.Add(d) }
	for _, c := range []struct {
		name  string
		work  [][2]time.Duration
		want  map[time.Duration]float64 // places of moments
		cuts  []string
		ticks []string
	}{
		{"nothing", nil, map[time.Duration]float64{0: 0}, nil, []string{"0"}},
		{"one stage", [][2]time.Duration{{0, 10 * time.Second}}, map[time.Duration]float64{0: 0, 5 * time.Second: 50, 10 * time.Second: 100}, nil, []string{"0", "2 s", "4 s", "6 s", "8 s"}},
		{"a short rest", [][2]time.Duration{{0, 10 * time.Second}, {20 * time.Second, 40 * time.Second}}, map[time.Duration]float64{15 * time.Second: 37.5}, nil, []string{"0", "10 s", "20 s", "30 s"}},
		{"a night", [][2]time.Duration{{0, 48 * time.Second}, {8 * time.Hour, 8*time.Hour + 52*time.Second}}, map[time.Duration]float64{48 * time.Second: 46.15, 4 * time.Hour: 46.15, 8 * time.Hour: 50, 8*time.Hour + 52*time.Second: 100}, []string{"7h59m12s"}, []string{"0", "30 s", "8h", "8h30s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &host{}
			for _, w := range c.work {
				h.stages = append(h.stages, stage{from: at(w[0]), to: at(w[1])})
			}
			a := newAxis(sampleBegan, []*host{h})
			for moment, want := range c.want {
				if got := a.at(at(moment)); got < want-0.01 || got > want+0.01 {
					t.Errorf("%v is at %.2f, want %.2f", moment, got, want)
				}
			}
			texts := func(ticks []tick) (list []string) {
				for _, x := range ticks {
					list = append(list, x.Text)
				}
				return list
			}
			if diff := cmp.Diff(c.cuts, texts(a.cuts())); diff != "" {
				t.Errorf("cuts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.ticks, texts(a.ticks())); diff != "" {
				t.Errorf("ticks (-want +got):\n%s", diff)
			}
		})
	}
}

// Hosts that fail for one cause are one entry, though their errors name themselves.
func TestFailuresOfOneCauseAreOne(t *testing.T) {
	var got []string
	for _, f := range sampleReport(1000).failures() {
		got = append(got, f.Status.Word+" "+f.Stage+" "+f.Hosts.Count())
	}
	want := []string{"failed connect 11 hosts", "rolled back activate 31 hosts"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
}

// Also where the errors name the place of each host in the inventory, or a host has the name of
// a letter.
func TestFailuresAtManyPlacesAreOne(t *testing.T) {
	plan := &exec.Plan{Action: exec.Switch}
	for _, name := range []string{"a", "bastion"} {
		plan.Steps = append(plan.Steps, exec.Step{Host: &schema.Host{Name: name, Address: "192.0.2.1"}})
	}
	r := New(plan, time.Unix(0, 0))
	for i, name := range []string{"a", "bastion"} {
		r.Add(time.Unix(0, 0), exec.HostEnded{Outcome: exec.Outcome{Host: name, Status: exec.Failed, Stage: "evaluate", Error: fmt.Sprintf("hosts.cue:%d:2: cannot evaluate %s", i+3, name)}})
	}
	if got := r.failures(); len(got) != 1 || got[0].Hosts.Count() != "2 hosts" {
		t.Errorf("%d failures, want one of two hosts", len(got))
	}
}

// The page asks for nothing: it names no other file.
func TestThePageIsOneFile(t *testing.T) {
	text := textOf(t, sampleReport(3))
	for _, m := range regexp.MustCompile(`(?:src|href|url|action)\s*[=(]\s*"?([^"#)\s>]+)`).FindAllStringSubmatch(text, -1) {
		if m[1] != "data:," {
			t.Errorf("the page names %s", m[1])
		}
	}
}

// In a very large fleet, the hosts that failed are listed, and the others are counted.
func TestVeryManyHostsAreCounted(t *testing.T) {
	const n = mostListed + 1000
	r := sampleReport(n)
	p := r.page(Options{Zone: time.UTC})
	if len(p.Hosts) != mostListed || p.Counted != 1000 {
		t.Errorf("%d hosts are listed, %d counted", len(p.Hosts), p.Counted)
	}
	listed := map[string]bool{}
	for _, h := range p.Hosts {
		listed[h.Name] = true
	}
	for _, h := range r.hosts {
		if h.failed() && !listed[h.Name] {
			t.Errorf("%s has failed and is not listed", h.Name)
		}
	}
	total := 0
	for _, c := range p.Counts {
		total += c.N
	}
	for _, w := range p.Waves {
		for _, g := range w.Roles {
			for _, c := range g.Counts {
				total += c.N
			}
		}
	}
	if total != 2*n {
		t.Errorf("%d hosts are counted", total)
	}
	var text bytes.Buffer
	if err := r.Write(&text, Options{Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"The 1000 hosts below are those that failed", "1000 others are counted above"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if text.Len() > 8<<20 {
		t.Errorf("the page has %d MB", text.Len()>>20)
	}
}
