package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"muster/exec/archive"
	"muster/exec/objectstore"
	"muster/exec/sshsig"
	"muster/schema"
)

// An audience is a release of two waves, whose hosts report.
type audience struct {
	testing.TB
	store objectstore.Store
	key   *archive.SecretKey
	head  *Head
	now   time.Time
}

// newAudience publishes a release in which the last host waits for the others.
func newAudience(t testing.TB, names ...string) *audience {
	t.Helper()
	a := &audience{TB: t, store: open(t), key: key(t, "fleet-1", 1), now: made.Add(time.Minute)}
	var err error
	a.head, err = Publish(t.Context(), a.store, draft(t, map[string]int{names[len(names)-1]: 1}, names...), []*archive.SecretKey{a.key})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *audience) write(key string, text []byte) {
	a.Helper()
	if err := objectstore.Write(a.Context(), a.store, key, text, objectstore.Condition{}); err != nil {
		a.Fatal(err)
	}
}

// report has a host report a status, signed by some keys.
func (a *audience) report(host string, s Status, keys ...*sshsig.Key) []byte {
	a.Helper()
	text, err := Report{Host: host, Number: a.head.Number, Dir: a.head.Dir, Status: s, At: a.now}.Sign(keys)
	if err != nil {
		a.Fatal(err)
	}
	a.write(ReportKey(host), text)
	return text
}

// gate is what a host of the second wave sees.
func (a *audience) gate(host string) Gate {
	a.Helper()
	g, err := a.ask(host)
	if err != nil {
		a.Fatal(err)
	}
	a.now = a.now.Add(2 * time.Minute) // the next counts again
	return g
}

// ask has a host of the second wave look at the gate.
func (a *audience) ask(host string) (Gate, error) {
	a.Helper()
	w := Waiter{
		Store: a.store, Keys: []archive.PublicKey{a.key.Public()}, Host: host, Signers: []*sshsig.Key{hostKey(a, host)}, Fresh: time.Minute,
		Members: func(context.Context) (*Members, error) {
			return OpenMembers(read(a, a.store, a.head.MembersKey()), a.head, []archive.PublicKey{a.key.Public()})
		},
	}
	return w.Gate(a.Context(), a.head, 1, a.now)
}

func TestOnlySignedReportsOpenAGate(t *testing.T) {
	for name, tt := range map[string]struct {
		report func(a *audience)
		why    string // the gate is not open; "" where it is
	}{
		"signed":              {func(a *audience) { a.report("web1", Activated, hostKey(a, "web1")) }, ""},
		"by one of many keys": {func(a *audience) { a.report("web1", Activated, hostKey(a, "old"), hostKey(a, "web1")) }, ""},
		"by an older agent":   {func(a *audience) { a.report("web1", Activated) }, "that of web1: it is not signed"},
		"by another host":     {func(a *audience) { a.report("web1", Activated, hostKey(a, "web2")) }, "that of web1: another key has signed it"},
		"tampered": {func(a *audience) {
			text := a.report("web1", RolledBack, hostKey(a, "web1"))
			a.write(ReportKey("web1"), bytes.Replace(text, []byte("rolled back"), []byte("activated"), 1))
		}, "that of web1: the signature is of another text"},
		"of another host": {func(a *audience) {
			a.write(ReportKey("web1"), a.report("web2", Activated, hostKey(a, "web2")))
		}, "0 of 1 host"},
		"of an older release": {func(a *audience) {
			text := a.report("web1", Activated, hostKey(a, "web1"))
			h, err := Publish(a.Context(), a.store, draft(a, map[string]int{"web2": 1}, "web1", "web2"), []*archive.SecretKey{a.key})
			if err != nil {
				a.Fatal(err)
			}
			a.head = h
			a.write(ReportKey("web1"), text)
		}, "0 of 1 host"},
		"100 MB": {func(a *audience) { a.write(ReportKey("web1"), make([]byte, 100<<20)) }, "0 of 1 host"},
		"a document of the release": {func(a *audience) {
			a.write(ReportKey("web1"), read(a, a.store, a.head.PartKey("web1")))
		}, "0 of 1 host"},
		// The keys of a host are in its part, which the key of the release has signed.
		"with a forged part": {func(a *audience) {
			text := read(a, a.store, a.head.PartKey("web1"))
			own, evil := hostKey(a, "web1").Public(), hostKey(a, "evil").Public()
			a.write(a.head.PartKey("web1"), bytes.Replace(text, []byte(own), []byte(evil), 1))
			a.report("web1", Activated, hostKey(a, "evil"))
		}, "no trusted key has signed it"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAudience(t, "web1", "web2")
			tt.report(a)
			g := a.gate("web2")
			if g.Open != (tt.why == "") || !strings.Contains(g.Why, tt.why) {
				t.Errorf("got %+v, want %q", g, tt.why)
			}
		})
	}
}

// A gate that is open is believed of a host of the release only, and in a small release of nobody.
func TestWhoMaySayThatAGateIsOpen(t *testing.T) {
	var large []string
	for i := range believesNobody {
		large = append(large, fmt.Sprintf("web%d", i))
	}
	large = append(large, "last")
	three := []string{"web3", "web4", "web5"}
	for name, tt := range map[string]struct {
		hosts []string
		gate  Gate     // of the first of by; the others are of each
		by    []string // who has signed
		open  bool
	}{
		"of an older agent":                {large, Gate{}, []string{""}, false},
		"hosts of a large release":         {large, Gate{Host: "web3"}, three, true},
		"one host alone":                   {large, Gate{Host: "web3"}, three[:1], false},
		"two hosts":                        {large, Gate{Host: "web3"}, three[:2], false},
		"one host in all places":           {large, Gate{Host: "web3"}, []string{"web3", "web3", "web3"}, false},
		"one host in two places":           {large, Gate{Host: "web3"}, []string{"web3", "web4", "web3"}, false},
		"the host that asks":               {large, Gate{Host: "last"}, []string{"last"}, true},
		"in the name of the one that asks": {large, Gate{Host: "last"}, []string{"web3"}, false},
		"in the name of another":           {large, Gate{Host: "web3"}, []string{"web4", "web4", "web5"}, false},
		"not a host of the release":        {large, Gate{Host: "evil"}, []string{"evil", "web4", "web5"}, false},
		"of another release":               {large, Gate{Host: "web3", Dir: newDir(9)}, three, false},
		"hosts of a small release":         {[]string{"web1", "web2", "web3", "last"}, Gate{Host: "web1"}, []string{"web1", "web2", "web3"}, false},
		"a path in the place of the host":  {large, Gate{Host: "../web3"}, three, false},
	} {
		a := newAudience(t, tt.hosts...)
		for place, by := range tt.by {
			g := tt.gate
			if place > 0 {
				g.Host = by
			}
			g.Version, g.Wave, g.Open, g.At = version, 1, true, a.now
			if g.Dir == "" {
				g.Dir = a.head.Dir
			}
			a.write(a.head.gateKey(1, place), signedGate(t, g, by))
		}
		if got := a.gate("last"); got.Open != tt.open {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func signedGate(t testing.TB, g Gate, by string) []byte {
	t.Helper()
	var keys []*sshsig.Key
	if by != "" {
		keys = append(keys, hostKey(t, by))
	}
	text, err := g.sign(keys)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// What the first hosts of a large release have counted is what the others go by.
func TestAGateIsCountedByThree(t *testing.T) {
	var names []string
	for i := range believesNobody + 2 {
		names = append(names, fmt.Sprintf("web%d", i))
	}
	a := newAudience(t, names...)
	for _, name := range names[:len(names)-1] {
		a.report(name, Activated, hostKey(t, name))
	}
	for n, asks := range []string{"web10", "web11", "web12"} {
		if g := a.gate(asks); !g.Open || g.Host != asks {
			t.Fatalf("%s: %+v", asks, g)
		}
		if n == 1 { // what two have counted is not enough
			a.report(names[0], Failed, hostKey(t, names[0]))
			if g := a.gate("web13"); g.Open || g.Host != "web13" {
				t.Errorf("%+v", g)
			}
			a.report(names[0], Activated, hostKey(t, names[0]))
			a.gate("web10") // takes the first place again
		}
	}
	a.report(names[0], Failed, hostKey(t, names[0])) // is not looked at any more
	if g := a.gate("web14"); !g.Open || g.Host == "web14" {
		t.Errorf("%+v", g)
	}
}

func TestAnOperatorOpensAGate(t *testing.T) {
	a := newAudience(t, "web1", "web2")
	a.report("web1", Failed, hostKey(t, "web1"))
	if g := a.gate("web2"); g.Open || !g.Stopped {
		t.Fatalf("%+v", g)
	}
	open := func(k *archive.SecretKey, h *Head) {
		t.Helper()
		if err := OpenGate(t.Context(), a.store, h, 1, "me@laptop", a.now, []*archive.SecretKey{k}); err != nil {
			t.Fatal(err)
		}
	}
	open(key(t, "fleet-1", 9), a.head)
	if g := a.gate("web2"); g.Open {
		t.Errorf("another key has opened it: %+v", g)
	}
	other := *a.head
	other.Dir = newDir(1)
	open(a.key, &other)
	a.write(a.head.OpeningKey(1), read(t, a.store, other.OpeningKey(1)))
	if g := a.gate("web2"); g.Open {
		t.Errorf("the opening of another release was believed: %+v", g)
	}
	open(a.key, a.head)
	if g := a.gate("web2"); !g.Open {
		t.Errorf("%+v", g)
	}
	for _, wave := range []int{0, 2} {
		if err := OpenGate(t.Context(), a.store, a.head, wave, "", a.now, []*archive.SecretKey{a.key}); err == nil {
			t.Errorf("wave %d has no gate", wave)
		}
	}
}

// A wave that nobody could say is done is not published.
func TestAReleaseWhoseWavesWouldWaitForEver(t *testing.T) {
	k := []*archive.SecretKey{key(t, "fleet-1", 1)}
	publish := func(change func(h *schema.Host)) error {
		d := draft(t, map[string]int{"web2": 1}, "web1", "web2")
		change(d.Plan.Steps[0].Host)
		d.Plan.Steps[1].Host.HostKeys = nil // nobody waits for the last wave
		_, err := Publish(t.Context(), open(t), d, k)
		return err
	}
	if err := publish(func(h *schema.Host) { h.HostKeys = nil }); err == nil || !strings.Contains(err.Error(), "no host_keys of 1 host in waves before the last, such as web1") {
		t.Errorf("without a key: %v", err)
	}
	if err := publish(func(h *schema.Host) {}); err != nil {
		t.Errorf("with one: %v", err)
	}
	if err := publish(func(h *schema.Host) { h.HostKeys, h.Policy = nil, schema.BestEffort }); err != nil {
		t.Errorf("nobody waits for it: %v", err)
	}
}

// A report that cannot be read now may be one of a failure: no gate is counted without it.
func TestAStoreThatFailsOpensNoGate(t *testing.T) {
	a := newAudience(t, "web1", "web2", "web3", "web4", "last")
	a.head.Share = 60
	for _, host := range []string{"web1", "web2", "web3"} {
		a.report(host, Activated, hostKey(a, host))
	}
	a.report("web4", Failed, hostKey(a, "web4"))
	whole := a.store
	for what, broken := range map[string]string{"its report": ReportKey("web4"), "its keys": a.head.PartKey("web4")} {
		for _, trouble := range []error{objectstore.ErrUnreachable, objectstore.ErrTrouble} {
			a.store = &brokenStore{Store: whole, broken: func(key string) error {
				if key == broken {
					return trouble
				}
				return nil
			}}
			if g, err := a.ask("last"); !errors.Is(err, trouble) || g.Open {
				t.Errorf("without %s: got %+v, %v", what, g, err)
			}
		}
	}
	a.store = whole
	if g := a.gate("last"); g.Open || !g.Stopped {
		t.Errorf("got %+v", g)
	}
}
