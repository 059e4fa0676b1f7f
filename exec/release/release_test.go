package release

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/objectstore"
	"muster/exec/sshsig"
	"muster/schema"
)

// key is a secret key made of a seed.
func key(t testing.TB, name string, seed byte) *archive.SecretKey {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	k, err := archive.ParseSecretKey([]byte(name + ":" + base64.StdEncoding.EncodeToString(private)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// hostKey is an SSH host key made of a seed.
func hostKey(t testing.TB, seed string) *sshsig.Key {
	t.Helper()
	sum := sha256.Sum256([]byte(seed))
	block, err := ssh.MarshalPrivateKey(ed25519.NewKeyFromSeed(sum[:]), "")
	if err != nil {
		t.Fatal(err)
	}
	k, err := sshsig.ParseKey(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const system = store.Path("/nix/store/s66mzxpvicwk07gjbjfw9izjfa797vsw-nixos-system-web1-24.11")

var made = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

// draft is a release of hosts, each in its wave.
func draft(t testing.TB, waves map[string]int, names ...string) *Draft {
	t.Helper()
	plan := &exec.Plan{Action: exec.BuildOnly}
	for _, name := range names {
		plan.Steps = append(plan.Steps, exec.Step{
			Host: &schema.Host{
				Name: name, Address: "10.0.0.1", HostKeys: []string{hostKey(t, name).Public() + " root@" + name}, User: "deploy", Policy: schema.Required, System: "x86_64-linux", FailedUnits: schema.NewFailures,
				Health: []schema.Check{{Unit: "httpd.service", FromHere: true, Timeout: time.Second, Interval: time.Second, Retries: 3}},
			},
			System: exec.System{Drv: system + ".drv", Out: system}, Wave: waves[name],
		})
	}
	return &Draft{Fleet: "test", Plan: plan, Made: made, Until: made.Add(time.Hour)}
}

func open(t testing.TB) objectstore.Store {
	t.Helper()
	s, err := objectstore.Open("file://"+t.TempDir(), objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func read(t testing.TB, s objectstore.Store, key string) []byte {
	t.Helper()
	text, _, err := objectstore.Read(context.Background(), s, key, objectstore.ReadOptions{Limit: MaxHosts})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestPublish(t *testing.T) {
	s, k := open(t), key(t, "fleet-1", 1)
	keys := []archive.PublicKey{k.Public()}
	h, err := Publish(t.Context(), s, draft(t, map[string]int{"web2": 1}, "web1", "web2"), []*archive.SecretKey{k})
	if err != nil || h.Number != 1 {
		t.Fatalf("%+v, %v", h, err)
	}
	got, err := OpenHead(read(t, s, HeadKey), keys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, got); diff != "" {
		t.Errorf("head (-published +read):\n%s", diff)
	}
	members, err := OpenMembers(read(t, s, h.MembersKey()), h, keys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Member{{Host: "web1", System: system, Policy: schema.Required}, {Host: "web2", Wave: 1, System: system, Policy: schema.Required}}, members.Hosts); diff != "" {
		t.Error(diff)
	}
	text := read(t, s, h.PartKey("web2"))
	if bytes.Contains(text, []byte("10.0.0.1")) || bytes.Contains(text, []byte("deploy")) {
		t.Errorf("a part has what only a deployer needs: %s", text)
	}
	part, err := OpenPart(text, h, "web2", keys)
	if err != nil {
		t.Fatal(err)
	}
	step, err := part.Step()
	if err != nil {
		t.Fatal(err)
	}
	want := &schema.Host{Name: "web2", HostKeys: []string{hostKey(t, "web2").Public() + " root@web2"}, Local: true, Privilege: schema.Root, Policy: schema.Required, System: "x86_64-linux", FailedUnits: schema.NewFailures,
		Health: []schema.Check{{Unit: "httpd.service", Timeout: time.Second, Interval: time.Second, Retries: 3}}}
	if diff := cmp.Diff(want, step.Host, cmp.Exporter(func(reflect.Type) bool { return true })); diff != "" || step.System.Out != system {
		t.Errorf("step (-want +got):\n%s", diff)
	}
	if h, err := Publish(t.Context(), s, draft(t, nil, "web1"), []*archive.SecretKey{k}); err != nil || h.Number != 2 {
		t.Errorf("the next: %+v, %v", h, err)
	}
	// A store that was emptied, or set back, does not make hosts refuse what comes: the publisher names a number.
	jump := draft(t, nil, "web1")
	jump.Number = 2
	if _, err := Publish(t.Context(), s, jump, []*archive.SecretKey{k}); err == nil || !strings.Contains(err.Error(), "release 2 is there") {
		t.Errorf("a number that is taken: %v", err)
	}
	jump.Number = 10
	if h, err := Publish(t.Context(), s, jump, []*archive.SecretKey{k}); err != nil || h.Number != 10 {
		t.Errorf("a number of one's own: %+v, %v", h, err)
	}
	// Whoever has another key does not continue the numbers of the first.
	if _, err := Publish(t.Context(), s, draft(t, nil, "web1"), []*archive.SecretKey{key(t, "fleet-1", 2)}); !errors.Is(err, ErrUnsigned) {
		t.Errorf("another key: %v", err)
	}
	// During a change of keys, both sign.
	both := []*archive.SecretKey{key(t, "fleet-2", 2), k}
	if h, err := Publish(t.Context(), s, draft(t, nil, "web1"), both); err != nil || h.Number != 11 {
		t.Errorf("both keys: %+v, %v", h, err)
	}
	for _, k := range both {
		if _, err := OpenHead(read(t, s, HeadKey), []archive.PublicKey{k.Public()}); err != nil {
			t.Error(err)
		}
	}
}

// A store that fails at any write has the former release.
func TestAnInterruptedPublicationChangesNothing(t *testing.T) {
	k := key(t, "fleet-1", 1)
	for after := range 4 {
		s := &failing{Store: open(t), after: healthy}
		first, err := Publish(t.Context(), s, draft(t, nil, "web1", "web2"), []*archive.SecretKey{k})
		if err != nil {
			t.Fatal(err)
		}
		s.after = after
		if _, err := Publish(t.Context(), s, draft(t, nil, "web1", "web2"), []*archive.SecretKey{k}); err == nil {
			t.Fatalf("after %d writes: it was published", after)
		}
		s.after = healthy
		if now, err := Current(t.Context(), s, []archive.PublicKey{k.Public()}); err != nil || now.Dir != first.Dir {
			t.Errorf("after %d writes: %+v, %v", after, now, err)
		}
		if h, err := Publish(t.Context(), s, draft(t, nil, "web1", "web2"), []*archive.SecretKey{k}); err != nil || h.Number != 2 {
			t.Errorf("again: %+v, %v", h, err)
		}
	}
}

const healthy = 1000

// A failing store takes some writes.
type failing struct {
	objectstore.Store
	mu    sync.Mutex
	after int
}

func (f *failing) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c objectstore.Condition) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if key == HeadKey && f.after < healthy/2 || f.after == 0 {
		return errors.New("power cut")
	}
	f.after--
	return f.Store.Put(ctx, key, body, size, c)
}

// Of two publishers one wins, and the other is told.
func TestTwoPublishers(t *testing.T) {
	s, k := open(t), key(t, "fleet-1", 1)
	d := draft(t, nil, "web1")
	h, documents, err := d.documents(1, newDir(1), []*archive.SecretKey{k})
	if err != nil || len(documents) != 2 {
		t.Fatalf("%v, %d documents", err, len(documents))
	}
	text, err := seal(headKind, h, []*archive.SecretKey{k})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Publish(t.Context(), s, d, []*archive.SecretKey{k}); err != nil {
		t.Fatal(err)
	}
	if err := objectstore.Write(t.Context(), s, HeadKey, text, objectstore.Condition{Absent: true}); !errors.Is(err, objectstore.ErrConflict) {
		t.Errorf("the second: %v", err)
	}
}

// A server that ignores conditions lets both write: the one whose release is not there is told.
func TestTwoPublishersWithoutConditions(t *testing.T) {
	k := key(t, "fleet-1", 1)
	s := &careless{Store: open(t)}
	s.meanwhile = func() {
		s.meanwhile = nil
		if _, err := Publish(t.Context(), s, draft(t, nil, "web1"), []*archive.SecretKey{k}); err != nil {
			t.Error(err)
		}
	}
	h, err := Publish(t.Context(), s, draft(t, nil, "web1"), []*archive.SecretKey{k})
	if !errors.Is(err, objectstore.ErrConflict) {
		t.Errorf("%+v, %v", h, err)
	}
}

// A careless store ignores conditions. Something happens behind the first head that is written.
type careless struct {
	objectstore.Store
	meanwhile func()
}

func (c *careless) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, _ objectstore.Condition) error {
	err := c.Store.Put(ctx, key, body, size, objectstore.Condition{})
	if key == HeadKey && c.meanwhile != nil {
		c.meanwhile()
	}
	return err
}

func TestWhatIsNoRelease(t *testing.T) {
	k := key(t, "fleet-1", 1)
	keys := []archive.PublicKey{k.Public()}
	h, documents, err := draft(t, nil, "web1", "web2").documents(7, newDir(7), []*archive.SecretKey{k})
	if err != nil {
		t.Fatal(err)
	}
	text, err := seal(headKind, h, []*archive.SecretKey{k})
	if err != nil {
		t.Fatal(err)
	}
	sealed := func(v any) []byte {
		text, err := seal(headKind, v, []*archive.SecretKey{k})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	with := func(change func(h *Head)) []byte { n := *h; change(&n); return sealed(n) }
	for name, tt := range map[string]struct {
		text []byte
		err  string
	}{
		"empty":              {nil, "damaged"},
		"half":               {text[:len(text)/2], "damaged"},
		"without signature":  {text[:bytes.IndexByte(text, '\n')+1], "damaged"},
		"half a signature":   {text[:len(text)-20], "damaged"},
		"a part":             {documents[h.PartKey("web1")], "no trusted key"},
		"a bit":              {bytes.Replace(text, []byte(`"number":7`), []byte(`"number":8`), 1), "no trusted key"},
		"another key":        {bytes.ReplaceAll(text, []byte("fleet-1:"), []byte("fleet-2:")), "no trusted key"},
		"many signatures":    {append(bytes.Clone(text), bytes.Repeat([]byte("a:b\n"), 20)...), "21 signatures"},
		"another version":    {with(func(h *Head) { h.Version = 2 }), "version 2"},
		"no number":          {with(func(h *Head) { h.Number = 0 }), "number 0"},
		"a dir outside":      {with(func(h *Head) { h.Dir = "7-../../../x" }), "dir"},
		"over before it was": {with(func(h *Head) { h.Until = h.Made }), "until"},
		"an unknown field":   {sealed(map[string]any{"muster_release": 1, "evil": 1}), "evil: unknown field"},
	} {
		if _, err := OpenHead(tt.text, keys); err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %v, want %q", name, err, tt.err)
		}
	}
	// The part of one host is not that of another, nor of another release.
	if _, err := OpenPart(documents[h.PartKey("web1")], h, "web2", keys); err == nil {
		t.Error("the part of web1 was taken for that of web2")
	}
	other := *h
	other.Dir = newDir(7)
	if _, err := OpenPart(documents[h.PartKey("web1")], &other, "web1", keys); err == nil {
		t.Error("the part of another release was taken")
	}
}

func TestGates(t *testing.T) {
	h := &Head{Dir: newDir(1), Number: 1, Waves: make([]Wave, 3), Pause: time.Minute}
	members := []Member{{Host: "a"}, {Host: "b"}, {Host: "roams", Policy: schema.Roaming}, {Host: "c", Wave: 1}, {Host: "d", Wave: 2}}
	now := made.Add(time.Hour)
	report := func(s Status) *Report { return &Report{Dir: h.Dir, Status: s, At: made} }
	for name, tt := range map[string]struct {
		head    func(h *Head)
		wave    int
		reports map[string]*Report
		want    string // open, stopped, or why not
	}{
		"nobody has reported":       {wave: 1, want: "0 of 2 hosts in the waves before are done"},
		"one of two":                {wave: 1, reports: map[string]*Report{"a": report(Activated)}, want: "1 of 2 hosts in the waves before are done"},
		"half is enough":            {wave: 1, head: func(h *Head) { h.Share = 50 }, reports: map[string]*Report{"a": report(Activated)}, want: "open"},
		"both":                      {wave: 1, reports: map[string]*Report{"a": report(Activated), "b": report(Unchanged)}, want: "open"},
		"of another release":        {wave: 1, reports: map[string]*Report{"a": report(Activated), "b": {Dir: "x", Status: Activated}}, want: "1 of 2 hosts in the waves before are done"},
		"one was rolled back":       {wave: 1, reports: map[string]*Report{"a": report(Activated), "b": report(RolledBack)}, want: "stopped"},
		"one may fail":              {wave: 1, head: func(h *Head) { h.MaxFailures = 2 }, reports: map[string]*Report{"a": report(Activated), "b": report(RolledBack)}, want: "open"},
		"roaming hosts do not fail": {wave: 1, reports: map[string]*Report{"a": report(Activated), "b": report(Activated), "roams": report(Failed)}, want: "open"},
		"the second wave too":       {wave: 2, reports: map[string]*Report{"a": report(Activated), "b": report(Activated)}, want: "2 of 3 hosts in the waves before are done"},
		"the pause":                 {wave: 1, head: func(h *Head) { h.Pause = 2 * time.Hour }, reports: map[string]*Report{"a": report(Activated), "b": report(Activated)}, want: "the pause after the wave before lasts until 2026-11-29T14:00:00Z"},
	} {
		head := *h
		if tt.head != nil {
			tt.head(&head)
		}
		g := head.Count(tt.wave, members, tt.reports, now)
		got := g.Why
		switch {
		case g.Open:
			got = "open"
		case g.Stopped:
			got = "stopped"
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k := key(f, "fleet-1", 1)
	keys := []archive.PublicKey{k.Public()}
	h, documents, err := draft(f, nil, "web1").documents(7, "7-0123456789abcdef", []*archive.SecretKey{k})
	if err != nil {
		f.Fatal(err)
	}
	head, err := seal(headKind, h, []*archive.SecretKey{k})
	if err != nil {
		f.Fatal(err)
	}
	other := hostKey(f, "another").Public()
	said, err := Report{Host: "web1", Status: Activated}.Sign([]*sshsig.Key{hostKey(f, "web1")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(said)
	f.Add(head)
	for _, text := range documents {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if got, err := OpenHead(text, keys); err == nil && !bytes.HasPrefix(text, head[:bytes.IndexByte(head, '\n')+1]) {
			t.Errorf("forged: %+v", got)
		}
		if p, err := OpenPart(text, h, "web1", keys); err == nil {
			p.Step()
		}
		OpenMembers(text, h, keys)
		if r, err := ParseReport(text, "web1"); err == nil {
			line, signatures, _ := splitSigned(text)
			if verifyByHost([]string{other}, reportNamespace, line, signatures) == nil {
				t.Errorf("forged: %+v", r)
			}
		}
		// What is signed is parsed as strictly.
		payload, _, _ := bytes.Cut(text, []byte("\n"))
		for _, into := range []any{new(Head), new(Part), new(Members), new(Gate), new(Opening)} {
			decode(payload, into)
		}
	})
}

// A brokenStore has an object fail, or all of them.
type brokenStore struct {
	objectstore.Store
	broken func(key string) error
	writes atomic.Int64 // that were begun
}

func (b *brokenStore) Get(ctx context.Context, key, etag string) (*objectstore.Object, error) {
	if err := b.broken(key); err != nil {
		return nil, err
	}
	return b.Store.Get(ctx, key, etag)
}

func (b *brokenStore) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, c objectstore.Condition) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.writes.Add(1)
	if err := b.broken(key); err != nil {
		return err
	}
	return b.Store.Put(ctx, key, body, size, c)
}

// A store that is lost is not tried for the document of every host.
func TestAStoreThatIsLostWhilePublishing(t *testing.T) {
	var names []string
	for i := range 400 {
		names = append(names, fmt.Sprintf("web%d", i))
	}
	s := &brokenStore{Store: open(t), broken: func(key string) error {
		if key == HeadKey {
			return nil
		}
		return objectstore.ErrUnreachable
	}}
	_, err := Publish(t.Context(), s, draft(t, nil, names...), []*archive.SecretKey{key(t, "fleet-1", 1)})
	if !errors.Is(err, objectstore.ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	if n := s.writes.Load(); n > int64(len(names)/2) {
		t.Errorf("%d of %d documents were tried", n, len(names))
	}
}
