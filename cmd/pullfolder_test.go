package cmd

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"muster/exec/pull"
	"muster/exec/release"
)

// A folder of a host is a store: published to by SSH, and pulled from by SSH, with reports that an inbox takes by HTTP.
func TestPullFromAFolder(t *testing.T) {
	f := newPullFleet(t)
	store, host, last := f.lab.Hosts[1], f.lab.Hosts[0].Name, f.lab.Hosts[2].Name
	f.url, f.env = "ssh://"+store.Name+"/srv/fleet", nil
	f.inventory("")
	out := f.fail(1, "publish", "--to", f.url, "--key", f.home+"/key")
	if !strings.Contains(out, "there is no folder /srv/fleet on it that this user can enter: make it first") {
		t.Errorf("no folder:\n%s", out)
	}
	f.on(store.Name, "mkdir", "-p", "/srv/fleet")
	f.publish("one", "")
	if mode := f.on(store.Name, "stat", "-c", "%a", "/srv/fleet/"+release.HeadKey); mode != "644" {
		t.Errorf("a web server cannot read %s: mode %s", release.HeadKey, mode)
	}
	if left := f.on(store.Name, "find", "/srv/fleet", "-name", ".muster-????????"); left != "" {
		t.Errorf("left behind:\n%s", left)
	}

	// The hosts log in with a key of their own.
	identity, err := os.ReadFile(f.lab.Identity)
	if err != nil {
		t.Fatal(err)
	}
	f.url = "ssh://root@" + store.Addr + "/srv/fleet"
	for _, h := range f.lab.Hosts {
		f.on(h.Name, "mkdir", "-p", "/root/.ssh")
		for name, text := range map[string]string{"id_ed25519": string(identity), "known_hosts": store.Addr + " " + store.HostKey() + "\n"} {
			if err := h.WriteFile("/root/.ssh/"+name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if said := f.pull(host); !strings.Contains(said, "release 1: activated") || f.generation(host) != "one" {
		t.Errorf("it runs %q:\n%s", f.generation(host), said)
	}
	if said := f.pull(host); !strings.Contains(said, "nothing to do") {
		t.Error(said)
	}
	folder := "ssh://" + store.Name + "/srv/fleet"
	if out := f.fail(3, "status", "--from", folder); !strings.Contains(out, "activated") || !strings.Contains(out, "no report") {
		t.Errorf("status:\n%s", out)
	}

	// The last wave waits for a host that is not done, until an operator opens its gate.
	if said := f.pull(last); !strings.Contains(said, "waiting: for wave 3: 1 of 2 hosts") {
		t.Error(said)
	}
	f.run(0, "publish", "--to", folder, "--key", f.home+"/other-key", "--make-key", "fleet-1")
	if out := f.fail(1, "publish", "--to", folder, "--key", f.home+"/other-key", "--open-gate", "3"); !strings.Contains(out, "no trusted key has signed it") {
		t.Errorf("a gate by another key:\n%s", out)
	}
	f.run(0, "publish", "--to", folder, "--key", f.home+"/key", "--open-gate", "3")

	// Reports go to an inbox, once it takes them.
	inbox := newInbox(t, f)
	inbox.refuse(true)
	f.env = []string{"MUSTER_REPORT_TO=" + inbox.url + "/muster?token=hush", "MUSTER_REPORT_AUTH=agents:word"}
	said := f.pull(last)
	if !strings.Contains(said, "release 1: activated") || !strings.Contains(said, "it is kept, and delivered later") || strings.Contains(said, "hush") || strings.Contains(said, "word") {
		t.Error(said)
	}
	inbox.refuse(false)
	f.pull(last)
	taken := inbox.reports()
	if len(taken) != 1 || taken[0].Host != last || taken[0].Status != release.Activated {
		t.Errorf("%+v", taken)
	}
}

// fail runs muster here, and returns all it prints.
func (f *pullFleet) fail(status int, args ...string) string {
	f.Helper()
	out, errs := f.output(status, args...)
	return out + errs
}

// An inbox takes reports by HTTP.
type inbox struct {
	testing.TB
	url string

	mu      sync.Mutex
	refuses bool
	taken   []release.Report
}

func newInbox(t *testing.T, f *pullFleet) *inbox {
	t.Helper()
	l, err := net.Listen("tcp", f.address()+":0")
	if err != nil {
		t.Fatal(err)
	}
	i := &inbox{TB: t, url: "http://" + l.Addr().String()}
	server := &http.Server{Handler: i}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return i
}

func (i *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	user, word, _ := r.BasicAuth()
	var report release.Report
	switch err := json.Unmarshal(body, &report); {
	case i.refuses:
		w.WriteHeader(http.StatusServiceUnavailable)
	case user != "agents" || word != "word" || r.URL.RawQuery != "token=hush" || err != nil || r.Header.Get(pull.SignatureHeader) == "":
		i.Errorf("%s %s %v: %s", r.Method, r.URL, r.Header, body)
	default:
		i.taken = append(i.taken, report)
	}
}

func (i *inbox) refuse(refuses bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.refuses = refuses
}

func (i *inbox) reports() []release.Report {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.taken
}
