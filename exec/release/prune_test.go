package release

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/compile/store"
	"muster/exec/archive"
	"muster/exec/nixserve"
	"muster/exec/objectstore"
)

// A paths is a store whose paths refer to others, by their names.
type paths map[string][]string

func (p paths) path(name string) store.Path {
	return store.Path("/nix/store/" + store.HashBytes(store.SHA256, []byte(name)).Base32()[:32] + "-" + name)
}

func (p paths) nar(name string) []byte { return []byte("archive of " + name) }

func (p paths) Closure(_ context.Context, roots []store.Path) (infos []nixserve.PathInfo, err error) {
	seen := map[string]bool{}
	var add func(name string)
	add = func(name string) {
		if seen[name] {
			return
		}
		seen[name] = true
		info := nixserve.PathInfo{Path: p.path(name), NARHash: store.HashBytes(store.SHA256, p.nar(name)), NARSize: int64(len(p.nar(name)))}
		for _, ref := range p[name] {
			add(ref)
			info.References = append(info.References, p.path(ref))
		}
		infos = append(infos, info)
	}
	for _, root := range roots {
		add(root.Name())
	}
	return infos, nil
}

func (p paths) NAR(_ context.Context, info nixserve.PathInfo, w io.Writer) error {
	_, err := w.Write(p.nar(info.Path.Name()))
	return err
}

// A pruned is a store of releases in a directory, whose objects can be made old.
type pruned struct {
	*testing.T
	dir   string
	store objectstore.Store
	paths paths
	key   *archive.SecretKey
}

func newPruned(t *testing.T) *pruned {
	dir := t.TempDir()
	s, err := objectstore.Open("file://"+dir, objectstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := paths{"glibc": nil, "openssl": {"glibc"}}
	for n := range 20 {
		p[fmt.Sprintf("web1-%d", n+1)] = []string{"openssl", fmt.Sprintf("config-%d", n+1)}
		p[fmt.Sprintf("config-%d", n+1)] = nil
	}
	return &pruned{T: t, dir: dir, store: s, paths: p, key: key(t, "fleet-1", 1)}
}

// publish uploads a system and publishes it for web1, a number of days ago.
func (p *pruned) publish(name string, days int, goodFor time.Duration) *Head {
	p.Helper()
	return p.publishTo(p.store, name, days, goodFor)
}

func (p *pruned) publishTo(s objectstore.Store, name string, days int, goodFor time.Duration) *Head {
	p.Helper()
	keys := []*archive.SecretKey{p.key}
	if _, err := archive.Upload(p.Context(), p.paths, s, []store.Path{p.paths.path(name)}, archive.UploadOptions{Keys: keys}); err != nil {
		p.Fatal(err)
	}
	d := draft(p.T, nil, "web1")
	d.Plan.Steps[0].System.Out = p.paths.path(name)
	d.Made = time.Now().Add(-time.Duration(days) * 24 * time.Hour)
	d.Until = d.Made.Add(goodFor)
	h, err := Publish(p.Context(), s, d, keys)
	if err != nil {
		p.Fatal(err)
	}
	p.age(days)
	return h
}

// age makes all objects that are younger some days old.
func (p *pruned) age(days int) {
	p.Helper()
	at := time.Now().Add(-time.Duration(days) * 24 * time.Hour)
	err := filepath.WalkDir(p.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(at) {
			return os.Chtimes(name, at, at)
		}
		return nil
	})
	if err != nil {
		p.Fatal(err)
	}
}

func (p *pruned) report(host string, number int64, running, boots string) {
	p.Helper()
	text, err := Report{Host: host, Number: number, Status: Activated, At: time.Now(), Running: p.paths.path(running), Boots: p.paths.path(boots)}.Text()
	if err != nil {
		p.Fatal(err)
	}
	if err := objectstore.Write(p.Context(), p.store, ReportKey(host), text, objectstore.Condition{}); err != nil {
		p.Fatal(err)
	}
}

func (p *pruned) options(last int) PruneOptions {
	return PruneOptions{Keys: []archive.PublicKey{p.key.Public()}, Last: last, Now: time.Now()}
}

// has are the names of the paths in the cache, each with its archive.
func (p *pruned) has() (names []string) {
	p.Helper()
	for name := range p.paths {
		text, _, err := objectstore.Read(p.Context(), p.store, p.paths.path(name).Digest()+".narinfo", objectstore.ReadOptions{Limit: 1 << 20})
		if errors.Is(err, objectstore.ErrNotFound) {
			continue
		}
		if err != nil {
			p.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(text), "URL: ")
		url, _, _ := strings.Cut(rest, "\n")
		if _, _, err := objectstore.Read(p.Context(), p.store, url, objectstore.ReadOptions{Limit: 1 << 20}); err != nil {
			p.Errorf("%s has a description and no archive: %v", name, err)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (p *pruned) archives() int {
	found, err := filepath.Glob(p.dir + "/nar/*")
	if err != nil {
		p.Fatal(err)
	}
	return len(found)
}

func (p *pruned) dirs() (numbers []string) {
	found, err := os.ReadDir(p.dir + "/muster/releases")
	if err != nil {
		p.Fatal(err)
	}
	for _, d := range found {
		number, _, _ := strings.Cut(d.Name(), "-")
		numbers = append(numbers, number)
	}
	slices.Sort(numbers)
	return numbers
}

// What hosts may still need stays, with all that it refers to; all else goes.
func TestPrune(t *testing.T) {
	for _, tt := range []struct {
		name    string
		before  func(p *pruned)
		options func(o *PruneOptions)
		dirs    []string
		has     []string
		reports []string
	}{
		{name: "the newest", dirs: []string{"4"}, has: []string{"config-4", "glibc", "openssl", "web1-4"}},
		{name: "the last two", options: func(o *PruneOptions) { o.Last = 2 }, dirs: []string{"3", "4"}, has: []string{"config-3", "config-4", "glibc", "openssl", "web1-3", "web1-4"}},
		{name: "more than there are", options: func(o *PruneOptions) { o.Last = 100 }, dirs: []string{"1", "2", "3", "4"},
			has: []string{"config-1", "config-2", "config-3", "config-4", "glibc", "openssl", "web1-1", "web1-2", "web1-3", "web1-4"}},
		{name: "younger ones", options: func(o *PruneOptions) { o.Newer = 45 * 24 * time.Hour }, dirs: []string{"2", "3", "4"},
			has: []string{"config-2", "config-3", "config-4", "glibc", "openssl", "web1-2", "web1-3", "web1-4"}},
		{name: "one that has not expired", before: func(p *pruned) {
			p.publish("web1-5", 12, 100*24*time.Hour)
			p.publish("web1-6", 11, time.Hour)
		}, dirs: []string{"5", "6"}, has: []string{"config-5", "config-6", "glibc", "openssl", "web1-5", "web1-6"}},
		{name: "one that does not say until when it is good", before: func(p *pruned) {
			for _, number := range []string{"1", "2"} {
				copies, err := filepath.Glob(p.dir + "/muster/releases/" + number + "-*/release.json")
				if err != nil || len(copies) != 1 {
					p.Fatal(copies, err)
				}
				if err := os.Remove(copies[0]); err != nil {
					p.Fatal(err)
				}
			}
		}, dirs: []string{"2", "4"}, has: []string{"config-2", "config-4", "glibc", "openssl", "web1-2", "web1-4"}},
		{name: "what a host runs, and boots", before: func(p *pruned) {
			p.report("web1", 1, "web1-1", "web1-2")
			p.age(100)
		}, dirs: []string{"4"}, reports: []string{"web1.json"},
			has: []string{"config-1", "config-2", "config-4", "glibc", "openssl", "web1-1", "web1-2", "web1-4"}},
		{name: "what a host was on before", before: func(p *pruned) {
			p.report("web1", 4, "web1-4", "web1-4")
			if err := WriteBefore(p.Context(), p.store, "web1", p.paths.path("web1-2")); err != nil {
				p.Fatal(err)
			}
			p.age(100)
		}, dirs: []string{"4"}, reports: []string{"web1", "web1.json"}, has: []string{"config-2", "config-4", "glibc", "openssl", "web1-2", "web1-4"}},
		{name: "the report of a host that is gone", before: func(p *pruned) {
			p.report("old", 1, "web1-1", "web1-1")
			if err := WriteBefore(p.Context(), p.store, "old", p.paths.path("web1-3")); err != nil {
				p.Fatal(err)
			}
			p.age(30)
			p.report("away", 2, "web1-2", "web1-2")
		}, options: func(o *PruneOptions) { o.Newer = 20 * 24 * time.Hour }, dirs: []string{"4"}, reports: []string{"away.json"},
			has: []string{"config-2", "config-4", "glibc", "openssl", "web1-2", "web1-4"}},
		{name: "a release whose publication has not come to its end", before: func(p *pruned) {
			objectstore.Write(p.Context(), p.store, "muster/releases/5-0011223344556677/host/web1.json", []byte("x"), objectstore.Condition{})
			p.age(200)
		}, dirs: []string{"4", "5"}, has: []string{"config-4", "glibc", "openssl", "web1-4"}},
		{name: "one of two with a number was never published", before: func(p *pruned) {
			objectstore.Write(p.Context(), p.store, "muster/releases/4-0011223344556677/host/web1.json", []byte("x"), objectstore.Condition{})
			p.age(200)
		}, dirs: []string{"4"}, has: []string{"config-4", "glibc", "openssl", "web1-4"}},
		{name: "an upload that goes on", before: func(p *pruned) {
			keys := []*archive.SecretKey{p.key}
			if _, err := archive.Upload(p.Context(), p.paths, p.store, []store.Path{p.paths.path("web1-9")}, archive.UploadOptions{Keys: keys}); err != nil {
				p.Fatal(err)
			}
		}, dirs: []string{"4"}, has: []string{"config-4", "config-9", "glibc", "openssl", "web1-4", "web1-9"}},
		{name: "paths of another program, and what they refer to", before: func(p *pruned) {
			p.paths["hello"] = []string{"config-1"}
			keys := []*archive.SecretKey{key(p.T, "ci-1", 2)}
			if _, err := archive.Upload(p.Context(), p.paths, p.store, []store.Path{p.paths.path("hello")}, archive.UploadOptions{Keys: keys}); err != nil {
				p.Fatal(err)
			}
			// Uploads sign again what they find signed by others.
			again := []*archive.SecretKey{p.key}
			if _, err := archive.Upload(p.Context(), p.paths, p.store, []store.Path{p.paths.path("config-1")}, archive.UploadOptions{Keys: again}); err != nil {
				p.Fatal(err)
			}
			p.age(100)
		}, dirs: []string{"4"}, has: []string{"config-1", "config-4", "glibc", "hello", "openssl", "web1-4"}},
		{name: "with the key of before only", before: func(p *pruned) {
			p.key = key(p.T, "fleet-2", 3)
			// The head is by both keys while hosts change.
			d := draft(p.T, nil, "web1")
			d.Plan.Steps[0].System.Out = p.paths.path("web1-4")
			if _, err := Publish(p.Context(), p.store, d, []*archive.SecretKey{key(p.T, "fleet-1", 1), p.key}); err != nil {
				p.Fatal(err)
			}
			p.age(100)
		}, dirs: []string{"5"}, has: []string{"config-1", "config-2", "config-3", "config-4", "glibc", "openssl", "web1-1", "web1-2", "web1-3", "web1-4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPruned(t)
			for i, days := range []int{100, 40, 30, 20} {
				p.publish(fmt.Sprintf("web1-%d", i+1), days, 7*24*time.Hour)
			}
			if err := os.WriteFile(p.dir+"/nar/.muster-1234", []byte("half"), 0o644); err != nil {
				t.Fatal(err)
			}
			p.age(2)
			if tt.before != nil {
				tt.before(p)
			}
			o := p.options(1)
			if tt.options != nil {
				tt.options(&o)
			}
			was := p.has()
			told, err := FindUnneeded(t.Context(), p.store, o)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(was, p.has()); diff != "" {
				t.Fatalf("looking removed something:\n%s", diff)
			}
			done, err := Prune(t.Context(), p.store, o, "test")
			if err != nil {
				t.Fatal(err)
			}
			if told.Objects != done.Objects || told.Bytes != done.Bytes || told.Unneeded != len(was)-len(tt.has) {
				t.Errorf("told %d objects and %d paths, removed %d; %d paths were there", told.Objects, told.Unneeded, done.Objects, len(was))
			}
			if diff := cmp.Diff(tt.dirs, p.dirs()); diff != "" {
				t.Errorf("releases (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.has, p.has()); diff != "" {
				t.Errorf("paths (-want +got):\n%s", diff)
			}
			if got := p.archives(); got != len(tt.has) {
				t.Errorf("%d archives for %d paths", got, len(tt.has))
			}
			var reports []string
			files, _ := os.ReadDir(p.dir + "/muster/reports")
			for _, f := range files {
				reports = append(reports, f.Name())
			}
			if diff := cmp.Diff(tt.reports, reports); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
			if again, err := Prune(t.Context(), p.store, o, "test"); err != nil || again.Objects != 0 {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}

// A meddled store has something happen at its requests.
type meddled struct {
	objectstore.Store
	get, removed func(keys ...string) error
	listed       func([]objectstore.Entry) []objectstore.Entry
}

func (m *meddled) Get(ctx context.Context, key, etag string) (*objectstore.Object, error) {
	if m.get != nil {
		if err := m.get(key); err != nil {
			return nil, err
		}
	}
	return m.Store.Get(ctx, key, etag)
}

func (m *meddled) List(ctx context.Context, found func(objectstore.Entry)) error {
	entries, err := objectstore.List(ctx, m.Store)
	if m.listed != nil {
		entries = m.listed(entries)
	}
	for _, e := range entries {
		found(e)
	}
	return err
}

func (m *meddled) Remove(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if m.removed != nil {
			if err := m.removed(key); err != nil {
				return err
			}
		}
		if err := objectstore.Remove(ctx, m.Store, []string{key}); err != nil {
			return err
		}
	}
	return nil
}

// A prune that ends anywhere leaves a store in which the newest release is whole, and another prune goes on.
func TestAPruneThatEndsAnywhere(t *testing.T) {
	ended := errors.New("power cut")
	for stop := 0; ; stop++ {
		p := newPruned(t)
		for i, days := range []int{100, 40, 30} {
			p.publish(fmt.Sprintf("web1-%d", i+1), days, 7*24*time.Hour)
		}
		done := 0
		s := &meddled{Store: p.store, removed: func(...string) error {
			if done++; done > stop {
				return ended
			}
			return nil
		}}
		_, err := Prune(t.Context(), s, p.options(1), "test")
		if err != nil && !errors.Is(err, ended) {
			t.Fatal(err)
		}
		for _, want := range []string{"web1-3", "config-3", "openssl", "glibc"} {
			if !slices.Contains(p.has(), want) {
				t.Fatalf("after %d removals, %s is missing", stop, want)
			}
		}
		if _, err := Prune(t.Context(), p.store, p.options(1), "test"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"config-3", "glibc", "openssl", "web1-3"}, p.has()); diff != "" || p.archives() != 4 || len(p.dirs()) != 1 {
			t.Errorf("after %d removals and another prune, %d archives, releases %v:\n%s", stop, p.archives(), p.dirs(), diff)
		}
		if err == nil {
			if stop < 10 {
				t.Errorf("%d removals", stop)
			}
			return
		}
	}
}

// A publication that begins, uploads and publishes while a prune removes what it has found in the store ends with a release
// that is whole.
func TestAPublicationDuringAPrune(t *testing.T) {
	for at := range 12 {
		for _, atOnce := range []bool{true, false} {
			p := newPruned(t)
			for i, days := range []int{100, 40} {
				p.publish(fmt.Sprintf("web1-%d", i+1), days, 7*24*time.Hour)
			}
			keys := []*archive.SecretKey{p.key}
			var publication *Publication
			begin := func() {
				publication = &Publication{store: p.store}
				if err := publication.begin(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			upload := func(archives bool) {
				if _, err := archive.Upload(t.Context(), p.paths, p.store, []store.Path{p.paths.path("web1-1")}, archive.UploadOptions{Keys: keys, Archives: archives}); err != nil {
					t.Fatal(err)
				}
			}
			publish := func() {
				d := draft(t, nil, "web1")
				d.Plan.Steps[0].System.Out = p.paths.path("web1-1") // which is about to be removed
				if _, err := Publish(t.Context(), p.store, d, keys); err != nil {
					t.Fatal(err)
				}
			}
			removed := 0
			s := &meddled{Store: p.store, removed: func(...string) error {
				if removed++; removed-1 != at {
					return nil
				}
				upload(false)
				if atOnce {
					publish()
				}
				return nil
			}}
			begin()
			_, err := Prune(t.Context(), s, p.options(1), "test")
			if err != nil && !errors.Is(err, ErrOvertaken) {
				t.Fatal(err)
			}
			if removed <= at {
				upload(false)
			}
			if !atOnce || removed <= at {
				publish()
			}
			for {
				disturbed, err := publication.Disturbed(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if !disturbed {
					break
				}
				upload(true)
			}
			has := p.has()
			for _, want := range []string{"web1-1", "config-1", "openssl", "glibc"} {
				if !slices.Contains(has, want) {
					t.Errorf("at removal %d: %s is missing", at, want)
				}
			}
		}
	}
}

// A prune ends before its next batch where a release is published, or another begins.
func TestAPruneThatIsOvertaken(t *testing.T) {
	for name, meddle := range map[string]func(p *pruned){
		"a release": func(p *pruned) { p.publish("web1-9", 0, time.Hour) },
		"a publisher": func(p *pruned) {
			if err := (&Publication{store: p.store}).begin(p.Context()); err != nil {
				p.Fatal(err)
			}
		},
		"another prune": func(p *pruned) {
			if _, err := Prune(p.Context(), p.store, p.options(5), "another"); err != nil {
				p.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPruned(t)
			for i, days := range []int{100, 40} {
				p.publish(fmt.Sprintf("web1-%d", i+1), days, 7*24*time.Hour)
			}
			var once sync.Once
			met := false
			s := &meddled{Store: p.store}
			s.get = func(keys ...string) error {
				// Descriptions are read after the mark was written, side by side, and before anything is removed.
				if strings.HasSuffix(keys[0], ".narinfo") {
					once.Do(func() {
						met = true
						meddle(p)
					})
				}
				return nil
			}
			s.removed = func(keys ...string) error {
				t.Errorf("%v was removed", keys)
				return nil
			}
			if _, err := Prune(t.Context(), s, p.options(1), "test"); !errors.Is(err, ErrOvertaken) || !met {
				t.Errorf("%v", err)
			}
		})
	}
}

// A store that lies about what it has, or does not say it, and clocks that differ: nothing is removed.
func TestPruneRefuses(t *testing.T) {
	without := func(part string) func([]objectstore.Entry) []objectstore.Entry {
		return func(entries []objectstore.Entry) []objectstore.Entry {
			return slices.DeleteFunc(entries, func(e objectstore.Entry) bool { return strings.Contains(e.Key, part) })
		}
	}
	dated := func(change func(time.Time) time.Time) func([]objectstore.Entry) []objectstore.Entry {
		return func(entries []objectstore.Entry) []objectstore.Entry {
			for i := range entries {
				entries[i].Modified = change(entries[i].Modified)
			}
			return entries
		}
	}
	for _, tt := range []struct {
		name string
		set  func(p *pruned, s *meddled, o *PruneOptions)
		err  string
	}{
		{"a head by another key", func(p *pruned, s *meddled, o *PruneOptions) {
			o.Keys = []archive.PublicKey{key(p.T, "other", 9).Public()}
		}, "no trusted key has signed it"},
		{"no head", func(p *pruned, s *meddled, o *PruneOptions) { os.Remove(p.dir + "/" + HeadKey) }, "no release has been published there"},
		{"a list without the newest release", func(p *pruned, s *meddled, o *PruneOptions) { s.listed = without("releases/3-") }, "the list lacks release 3"},
		{"a list of before", func(p *pruned, s *meddled, o *PruneOptions) { s.listed = without("prune.json") }, "the list lacks muster/prune.json"},
		{"no times", func(p *pruned, s *meddled, o *PruneOptions) {
			s.listed = dated(func(time.Time) time.Time { return time.Time{} })
		}, "does not say when objects were written"},
		{"a clock in 1970", func(p *pruned, s *meddled, o *PruneOptions) { o.Now = time.Unix(0, 0) }, "set them right"},
		{"a clock in 2038", func(p *pruned, s *meddled, o *PruneOptions) { o.Now = time.Unix(1<<31, 0) }, "set them right"},
		{"a store in 2106", func(p *pruned, s *meddled, o *PruneOptions) {
			s.listed = dated(func(t time.Time) time.Time { return time.Unix(1<<32, 0) })
		}, "set them right"},
		{"the list of hosts of the newest is by nobody", func(p *pruned, s *meddled, o *PruneOptions) {
			p.overwrite("3-*/hosts.json", `{"muster_release_hosts":1,"dir":"x","hosts":[]}`+"\n")
		}, "what release 3 needs is not known"},
		{"that of one that stays is damaged", func(p *pruned, s *meddled, o *PruneOptions) {
			o.Last = 2
			p.overwrite("2-*/hosts.json", "{")
		}, "what release 2 needs is not known"},
		{"descriptions that cannot be read", func(p *pruned, s *meddled, o *PruneOptions) {
			s.get = func(keys ...string) error {
				if strings.HasSuffix(keys[0], ".narinfo") {
					return objectstore.ErrUnreachable
				}
				return nil
			}
		}, "the store does not answer"},
		{"reports that cannot be read", func(p *pruned, s *meddled, o *PruneOptions) {
			p.report("web1", 1, "web1-1", "web1-1")
			s.get = func(keys ...string) error {
				if strings.HasPrefix(keys[0], "muster/reports/") {
					return objectstore.ErrUnreachable
				}
				return nil
			}
		}, "the store does not answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPruned(t)
			for i, days := range []int{100, 40, 30} {
				p.publish(fmt.Sprintf("web1-%d", i+1), days, 7*24*time.Hour)
			}
			s := &meddled{Store: p.store, removed: func(keys ...string) error {
				t.Errorf("%v was removed", keys)
				return nil
			}}
			o := p.options(1)
			tt.set(p, s, &o)
			if _, err := Prune(t.Context(), s, o, "test"); err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%v, want %q", err, tt.err)
			}
			m, err := readMark(t.Context(), p.store)
			if err != nil || m.Open {
				t.Errorf("the mark: %+v, %v", m, err)
			}
		})
	}
}

func (p *pruned) overwrite(pattern, text string) {
	p.Helper()
	found, err := filepath.Glob(p.dir + "/muster/releases/" + pattern)
	if err != nil || len(found) != 1 {
		p.Fatal(found, err)
	}
	if err := os.WriteFile(found[0], []byte(text), 0o644); err != nil {
		p.Fatal(err)
	}
}
