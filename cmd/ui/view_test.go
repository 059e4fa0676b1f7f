package ui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/olekukonko/tablewriter/pkg/twwidth"

	"muster/compile/store"
	"muster/exec"
)

// A moment is an event, and when it came after the run had begun.
type moment struct {
	after time.Duration
	event exec.Event
}

// What is drawn of a run, at some sizes of the screen.
func TestViews(t *testing.T) {
	const at = time.Second
	started := func(host string, s exec.Stage) moment { return moment{at, exec.StageStarted{Host: host, Stage: s}} }
	unreachable := func(host, addr string) moment {
		return moment{at, exec.HostEnded{Outcome: exec.Outcome{Host: host, Status: exec.Failed, Stage: exec.ConnectTo,
			Err: fmt.Errorf("unreachable: connect to %s:22: connection refused", addr)}}}
	}
	some := []moment{
		{at, exec.WaveStarted{Wave: 2, Of: 3, Hosts: 10}},
		started("web1", exec.Build),
		{at, exec.Said{Host: "web1", Stage: exec.Build, Line: "building '/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-nginx-1.26.2.drv'..."}},
		{2 * time.Second, exec.StageStarted{Host: "web2", Stage: exec.Copy}},
		{2 * time.Second, exec.Progressed{Host: "web2", Stage: exec.Copy, Done: 0, Total: 5_000_000}},
		{4 * time.Second, exec.Progressed{Host: "web2", Stage: exec.Copy, Done: 2_500_000, Total: 5_000_000}},
		{at, exec.HostEnded{Outcome: exec.Outcome{Host: "web3", Status: exec.Activated}}},
		unreachable("db1", "192.0.2.1"), unreachable("db2", "192.0.2.2"), unreachable("db3", "192.0.2.30"),
		{at, exec.HostEnded{Outcome: exec.Outcome{Host: "web4", Status: exec.RolledBack, Stage: exec.Health, Err: errors.New("health check http: timeout")}}},
	}
	var many []moment
	for i := 1; i <= 30; i++ {
		s := exec.Copy
		if i%3 == 0 {
			s = exec.Activate
		}
		many = append(many, moment{time.Duration(i) * time.Second, exec.StageStarted{Host: fmt.Sprint("web", i), Stage: s}})
	}
	for _, c := range []struct {
		name          string
		moments       []moment
		hosts         int
		width, height int
		want          string
	}{
		{"nothing yet", nil, 3, 80, 24, "0/3 done · 1m · 3 waiting\n"},
		{"wide", some, 12, 100, 24, `
1/12 done · 3 failed · 1 rolled back · 2 running · 1m · 5 waiting · wave 2 of 3
  3 hosts  failed    connect: unreachable: connect to 192.0.2.1:22: connection refused (db1) · db1.…
  web4     rolled b… health: health check http: timeout
  web1     build     59.0 s  building nginx-1.26.2
  web2     copy      58.0 s  2.5 MB of 5.0 MB, 1.2 MB/s
`},
		{"narrow", some, 12, 40, 24, `
1/12 done · 3 failed · 1 rolled back
  3 hosts  failed    connect: unreachab…
  web4     rolled b… health: health che…
  web1     build     59.0 s  building n…
  web2     copy      58.0 s  2.5 MB of …
`},
		{"three rows", some, 12, 60, 3, `
1/12 done · 3 failed · 1 rolled back · 2 running · 1m
  3 hosts  failed    connect: unreachable: connect to 192.0…
  build     1 host: web1
`},
		{"one row", some, 12, 30, 1, "1/12 done · 3 failed\n"},
		{"more hosts than rows", many, 40, 80, 7, `
0/40 done · 30 running · 1m · 10 waiting · waits for web1: copy
  copy      20 hosts: web1, web2, web4, web5, web7, web8 and 14 more
  activate  10 hosts: web3, web6, web9, web12, web15, web18 and 4 more
  web1   copy      59.0 s
  web2   copy      58.0 s
  web3   activate  57.0 s
  web4   copy      56.0 s
`},
		{"between stages", []moment{
			started("web1", exec.Copy), {59500 * time.Millisecond, exec.StageEnded{Host: "web1", Stage: exec.Copy}},
			started("web2", exec.Copy), {30 * time.Second, exec.StageEnded{Host: "web2", Stage: exec.Copy}},
		}, 2, 80, 24, "0/2 done · 1 running · 1m · 1 waiting · waits for web1: copy\n  web1  copy       0.5 s\n"},
		{"builds", []moment{
			started("web1", exec.Build),
			{10 * time.Second, exec.BuildStarted{Drv: "/nix/store/g1bkas69ylqs68650shlgjxlvzq221xr-nginx-1.26.2.drv", Builder: "ssh://big"}},
			{20 * time.Second, exec.BuildPhase{Drv: "/nix/store/g1bkas69ylqs68650shlgjxlvzq221xr-nginx-1.26.2.drv", Phase: "checkPhase"}},
			{50 * time.Second, exec.BuildStarted{Drv: "/nix/store/h1bkas69ylqs68650shlgjxlvzq221xr-etc.drv"}},
			{50 * time.Second, exec.BuildStarted{Drv: "/nix/store/i1bkas69ylqs68650shlgjxlvzq221xr-units.drv"}},
			{55 * time.Second, exec.BuildEnded{Drv: "/nix/store/i1bkas69ylqs68650shlgjxlvzq221xr-units.drv"}},
			{55 * time.Second, exec.BuildsCounted{Built: 1, Running: 2, Total: 12}},
		}, 1, 90, 24, "0/1 done · 1 running · 1m · 1 of 12 derivations built · waits for web1: build\n  nginx-1.26.2  building  50.0 s  on ssh://big checkPhase\n  etc           building  10.0 s  here\n  web1  build     59.0 s\n"},
		{"pause", []moment{{55 * time.Second, exec.Paused{Wave: 2, For: 10 * time.Second}}}, 2, 80, 24,
			"0/2 done · 1m · 2 waiting · the next wave begins in 5.0 s\n"},
		{"a host that checks", []moment{started("web1", exec.Health), {at, exec.Checked{Host: "web1", Check: "http", Err: "timeout"}}}, 1, 80, 24,
			"0/1 done · 1 running · 1m · waits for web1: health\n  web1  health    59.0 s  http: timeout\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Date(2026, 1, 31, 14, 22, 33, 0, time.UTC)
			v := newView()
			v.begin(c.hosts, began)
			for _, m := range c.moments {
				v.take(m.event, began.Add(m.after))
			}
			var got strings.Builder
			rows := paint(v, c.width, c.height, began.Add(time.Minute))
			for _, l := range rows {
				got.WriteString(strings.TrimRight(l.text(), " ") + "\n")
				if l.width() > c.width {
					t.Errorf("%d columns: %s", l.width(), l.text())
				}
			}
			if len(rows) > c.height {
				t.Errorf("%d rows", len(rows))
			}
			if diff := cmp.Diff(strings.TrimPrefix(c.want, "\n"), got.String()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Whatever the size, what is drawn fits.
func TestViewsFit(t *testing.T) {
	began := time.Now()
	v := newView()
	v.begin(500, began)
	for i := range 200 {
		v.take(exec.StageStarted{Host: fmt.Sprintf("主机-with-a-long-name-%d", i), Stage: []exec.Stage{exec.Build, exec.Copy, exec.Health}[i%3]}, began)
		v.take(exec.Said{Host: fmt.Sprintf("主机-with-a-long-name-%d", i), Line: strings.Repeat("长 ", 300)}, began)
		v.take(exec.BuildStarted{Drv: store.Path(fmt.Sprintf("/nix/store/i1bkas69ylqs68650shlgjxlvzq221xr-a-long-name-of-a-derivation-%d.drv", i)), Builder: "ssh://" + strings.Repeat("long", i)}, began)
		v.take(exec.HostEnded{Outcome: exec.Outcome{Host: fmt.Sprint("db", i), Status: exec.Failed, Stage: exec.Build, Err: fmt.Errorf("%c%s", 'a'+i%26, strings.Repeat("错", 100))}}, began)
	}
	for width := 1; width < 130; width++ {
		for height := 1; height < 40; height++ {
			rows := paint(v, width, height, began.Add(time.Hour))
			if len(rows) > height {
				t.Fatalf("%d rows at height %d", len(rows), height)
			}
			for _, l := range rows {
				if l.width() > width {
					t.Fatalf("%d columns at width %d: %s", l.width(), width, l.text())
				}
			}
		}
	}
}

func TestColoursAreAroundTheText(t *testing.T) {
	l := say("web1 ").and(bad, "failed\x1b[2J").and(faint, "")
	if got, want := l.render(true), "web1 \x1b[31mfailed\x1b[m"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := l.clip(7).render(true), "web1 \x1b[31mf…\x1b[m"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := l.render(false), "web1 failed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestLinesOfNixNameThings(t *testing.T) {
	const digest = "/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-"
	for _, c := range []struct{ line, want string }{
		{"building '" + digest + "nginx-1.26.2.drv'...", "building nginx-1.26.2"},
		{"copying path '" + digest + "hello-2.12.1' from 'https://cache.nixos.org'...", "fetching hello-2.12.1 from 'https://cache.nixos.org'"},
		{"builder for '" + digest + "a.drv' failed with exit code 1", "builder for a failed with exit code 1"},
		{"cc " + digest + "src/core.c", "cc src/core.c"},
		{"\x1b[1mstarting\x1b[0m units", "starting units"},
		{"/nix/store/short", "/nix/store/short"},
	} {
		if got := tidy(c.line); got != c.want {
			t.Errorf("%q is %q, want %q", c.line, got, c.want)
		}
	}
}

func TestNamesAreAbbreviated(t *testing.T) {
	var fleet []string
	for i := 1000; i > 0; i-- {
		fleet = append(fleet, fmt.Sprint("web", i))
	}
	for _, c := range []struct {
		names []string
		most  int
		want  string
	}{
		{nil, 3, ""},
		{[]string{"web1"}, 3, "web1"},
		{[]string{"web2", "web1"}, 3, "web1, web2"},
		{fleet, 3, "web1..web1000"},
		{append(fleet[:998:998], "db", "mail-2.example.org", "mail-3.example.org", "mail-4.example.org"), 3, "db, mail-2.example.org..mail-4.example.org, web3..web1000"},
		{[]string{"d", "c", "b", "a"}, 2, "a, b and 2 more"},
		{[]string{"c", "b", "a"}, 2, "a, b, c"},
		{[]string{"web01", "web02", "web03"}, 9, "web01..web03"},
		{[]string{"a9", "a10", "a11"}, 9, "a9..a11"},
		{[]string{"h0100", "h0098", "h0099"}, 9, "h0098..h0100"},
		{[]string{"h08", "h09", "h10", "h11"}, 9, "h08..h11"},
		{[]string{"h8", "h09", "h10"}, 9, "h8, h09, h10"},
		{[]string{"h99", "h100", "h101"}, 9, "h99..h101"},
		{[]string{"h099", "h100", "h0101"}, 9, "h099, h100, h0101"},
	} {
		if got := abbreviate(c.names, c.most); got != c.want {
			t.Errorf("%v: %s, want %s", c.names[:min(4, len(c.names))], got, c.want)
		}
	}
}

// Hosts whose errors differ in what is their own have one cause.
func TestCauses(t *testing.T) {
	failed := func(host string, s exec.Stage, err string) exec.Outcome {
		return exec.Outcome{Host: host, Status: exec.Failed, Stage: s, Err: errors.New(err)}
	}
	var outcomes []exec.Outcome
	for i := range 1000 {
		outcomes = append(outcomes, failed(fmt.Sprint("web", i), exec.ConnectTo, fmt.Sprintf("unreachable: connect to 10.0.%d.%d:22: no route to host", i/250, i%250)))
	}
	outcomes = append(outcomes,
		failed("db1", exec.ConnectTo, "unreachable: connect to db1.example.org:22: i/o timeout after 10s"),
		failed("db2", exec.ConnectTo, "unreachable: connect to db2.example.org:22: i/o timeout after 9.8s"),
		failed("six1", exec.ConnectTo, "unreachable: connect to [2001:db8::1]:22: connection refused"),
		failed("six2", exec.ConnectTo, "unreachable: connect to [2001:db8::2]:22: connection refused"),
		failed("a", exec.Activate, "unit nginx.service failed"),
		failed("b", exec.Activate, "unit nginx.service failed"),
		failed("c", exec.Activate, "unit sshd.service failed"),
		failed("d", exec.Health, "unit nginx.service failed"),
		exec.Outcome{Host: "ok", Status: exec.Activated},
	)
	var got []string
	for _, c := range causesOf(outcomes) {
		got = append(got, c.title().text()+" | "+c.what())
	}
	want := []string{
		"1000 hosts failed: web0..web999 | connect: unreachable: connect to 10.0.0.0:22: no route to host (web0)",
		"2 hosts failed: db1, db2 | connect: unreachable: connect to db1.example.org:22: i/o timeout after 10s (db1)",
		"2 hosts failed: six1, six2 | connect: unreachable: connect to [2001:db8::1]:22: connection refused (six1)",
		"2 hosts failed: a, b | activate: unit nginx.service failed",
		"c failed | activate: unit sshd.service failed",
		"d failed | health: unit nginx.service failed",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// What a run says when it is interrupted.
func TestInterruptions(t *testing.T) {
	for _, c := range []struct {
		activating int
		recorded   bool
		want       string
	}{
		{0, false, "interrupted: nothing new is begun; nothing is activating; interrupt again to leave at once"},
		{1, true, "interrupted: nothing new is begun; web1 is activating and is finished; muster resume continues the run; interrupt again to leave at once"},
		{3, true, "interrupted: nothing new is begun; 3 hosts are activating and are finished: web1..web3; muster resume continues the run; interrupt again to leave at once"},
	} {
		v := newView()
		v.take(exec.StageStarted{Host: "db", Stage: exec.Copy}, time.Now())
		for i := range c.activating {
			v.take(exec.StageStarted{Host: fmt.Sprint("web", i+1), Stage: exec.Activate}, time.Now())
		}
		if got := interruption(v, c.recorded); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// Padding counts columns, not characters.
func TestPad(t *testing.T) {
	if got := pad("主机", 6); twwidth.Width(got) != 6 {
		t.Errorf("%q", got)
	}
}
