package release

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/compile/store"
	"muster/exec/archive"
	"muster/exec/objectstore"
)

// PruneOptions say what stays in a store besides what hosts still need.
type PruneOptions struct {
	Keys  []archive.PublicKey // of the releases
	Last  int                 // releases, with the newest
	Newer time.Duration       // and those that are younger
	Now   time.Time
}

// fresh is how old an object must be that is removed: a publication, or an upload by another program, may be under way.
const fresh = 24 * time.Hour

// goodForUnknown is how long a release counts as good after it was published that does not say so: those of musters that kept
// no copy of the head.
const goodForUnknown = 90 * 24 * time.Hour

// A Kept says why a release stays.
type Kept string

// Why releases stay.
const (
	KeptNewest  Kept = "newest"     // hosts take it
	KeptAhead   Kept = "ahead"      // its number is above that of the newest: it is being published, or the store was set back
	KeptGood    Kept = "good until" // it has not expired
	KeptLast    Kept = "one of the last"
	KeptYounger Kept = "young"
	KeptMaybe   Kept = "perhaps good" // it does not say until when it is good
	Removed     Kept = ""
)

// A PrunedRelease is what becomes of a release in a store.
type PrunedRelease struct {
	Number  int64     `json:"number"`
	Dir     string    `json:"dir"`
	Kept    Kept      `json:"kept,omitempty"` // why; empty where it is removed
	Until   time.Time `json:"until,omitzero"` // it is good; the zero value where that is not known
	Written time.Time `json:"written"`
	Objects int       `json:"objects"`
}

// A Pruning is what would be removed from a store, or was.
type Pruning struct {
	Releases []PrunedRelease `json:"releases"` // the newest first
	Reports  []string        `json:"reports"`  // hosts whose last reports are removed, as no release that stays names them
	Paths    int             `json:"paths"`    // in the binary cache
	Unneeded int             `json:"unneeded"` // of them
	Foreign  int             `json:"foreign"`  // of them, which no key of the releases has signed; they stay
	Bytes    int64           `json:"bytes"`    // that all objects take which are removed
	Objects  int             `json:"objects"`
	// Lacking are systems of the newest release that the binary cache lacks.
	Lacking []store.Path `json:"lacking,omitempty"`

	head   *Head
	remove [][]objectstore.Entry // in this order
}

// FindUnneeded finds what no host needs of a store: releases that have expired, reports of hosts that are gone, and store paths
// that neither a release that stays nor the report of a host refers to. Nothing is changed.
//
// Needed is the newest release; others as the options have it, and until they expire; and what hosts are on, and were on before,
// by their reports.
func FindUnneeded(ctx context.Context, s objectstore.Store, o PruneOptions) (*Pruning, error) {
	entries, err := objectstore.List(ctx, s)
	if err != nil {
		return nil, err
	}
	return findUnneeded(ctx, s, entries, o)
}

func findUnneeded(ctx context.Context, s objectstore.Store, entries []objectstore.Entry, o PruneOptions) (*Pruning, error) {
	head, err := Current(ctx, s, o.Keys)
	if err != nil {
		return nil, err
	}
	f := &finding{store: s, head: head, options: o, entries: entries, dirs: map[string]*releaseDir{}}
	p := &Pruning{head: head, Reports: []string{}}
	if err := f.releases(ctx); err != nil {
		return nil, err
	}
	newest, err := f.systems(ctx)
	if err != nil {
		return nil, err
	}
	reports, err := f.reports(ctx, p)
	if err != nil {
		return nil, err
	}
	garbage, err := archive.FindGarbage(ctx, s, archive.CacheUse{Entries: entries, Keys: o.Keys, Roots: f.roots, Young: f.young})
	if err != nil {
		return nil, err
	}
	p.Paths, p.Unneeded, p.Foreign = garbage.Paths, len(garbage.Infos), garbage.Foreign
	p.Lacking = slices.DeleteFunc(garbage.Lacking, func(path store.Path) bool { return !newest[path] })
	var documents, abandoned []objectstore.Entry
	for _, d := range f.dirs {
		p.Releases = append(p.Releases, d.PrunedRelease)
		if d.Kept == Removed {
			documents = append(documents, d.entries...)
		}
	}
	slices.SortFunc(p.Releases, func(a, b PrunedRelease) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(a.Dir, b.Dir))
	})
	for _, e := range entries {
		if isAbandoned(e.Key) && !f.young(e) {
			abandoned = append(abandoned, e)
		}
	}
	// Releases go before what they refer to: one that is there is whole.
	p.remove = [][]objectstore.Entry{documents, reports, garbage.Infos, garbage.NARs, abandoned}
	for _, list := range p.remove {
		p.Objects += len(list)
		for _, e := range list {
			p.Bytes += e.Size
		}
	}
	return p, nil
}

// isAbandoned reports whether an object is a file that a Put would have renamed, had it come to its end.
func isAbandoned(key string) bool {
	name := key[strings.LastIndexByte(key, '/')+1:]
	return strings.HasPrefix(name, ".muster-") && name != ".muster-lock"
}

// A finding is a FindUnneeded in progress.
type finding struct {
	store   objectstore.Store
	head    *Head
	options PruneOptions
	entries []objectstore.Entry
	dirs    map[string]*releaseDir
	roots   []store.Path
	hosts   map[string]bool // of releases that stay
}

// A releaseDir is the directory of a release.
type releaseDir struct {
	PrunedRelease
	entries []objectstore.Entry
}

// young reports whether an object is too new to be removed, or of an unknown age.
func (f *finding) young(e objectstore.Entry) bool {
	return e.Modified.IsZero() || f.options.Now.Sub(e.Modified) < fresh
}

// releases finds the releases that are there, and which of them stay.
func (f *finding) releases(ctx context.Context) error {
	const root = "muster/releases/"
	for _, e := range f.entries {
		dir, _, ok := strings.Cut(strings.TrimPrefix(e.Key, root), "/")
		text, _, _ := strings.Cut(dir, "-")
		number, err := strconv.ParseInt(text, 10, 64)
		if !strings.HasPrefix(e.Key, root) || !ok || err != nil || number < 1 || !isDir(dir, number) {
			continue
		}
		d := f.dirs[dir]
		if d == nil {
			d = &releaseDir{PrunedRelease: PrunedRelease{Number: number, Dir: dir}}
			f.dirs[dir] = d
		}
		d.entries = append(d.entries, e)
		d.Objects++
		if e.Modified.After(d.Written) {
			d.Written = e.Modified
		}
	}
	// The last ones by number: of two with a number, one was never published, and nothing says which.
	var numbers []int64
	for _, d := range f.dirs {
		if d.Number <= f.head.Number {
			numbers = append(numbers, d.Number)
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	last := numbers[max(0, len(numbers)-max(1, f.options.Last)):]
	var g errgroup.Group
	g.SetLimit(readers)
	for _, d := range f.dirs {
		g.Go(func() (err error) {
			d.Until, err = f.until(ctx, d)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, d := range f.dirs {
		d.Kept = f.kept(d, last)
	}
	return nil
}

// until is how long a release is good, by the copy of its head; the zero value where there is none. Who has signed it does not
// matter: it only makes a release stay.
func (f *finding) until(ctx context.Context, d *releaseDir) (time.Time, error) {
	text, _, err := objectstore.Read(ctx, f.store, (&Head{Dir: d.Dir}).CopyKey(), objectstore.ReadOptions{Limit: MaxHead})
	if errors.Is(err, objectstore.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	var h Head
	if payload, _, _ := bytes.Cut(text, []byte("\n")); decode(payload, &h) != nil || h.Dir != d.Dir {
		return time.Time{}, nil
	}
	return h.Until, nil
}

// kept says why a release stays. last are the numbers of those that stay for their number.
func (f *finding) kept(d *releaseDir, last []int64) Kept {
	now := f.options.Now
	age := now.Sub(d.Written)
	switch {
	case d.Dir == f.head.Dir:
		return KeptNewest
	case d.Number > f.head.Number:
		return KeptAhead
	case d.Number < f.head.Number && slices.Contains(last, d.Number):
		return KeptLast
	case now.Before(d.Until):
		return KeptGood
	case d.Written.IsZero() || age < max(f.options.Newer, fresh):
		return KeptYounger
	case d.Until.IsZero() && age < goodForUnknown:
		return KeptMaybe
	}
	return Removed
}

// systems reads which systems the releases that stay have for which hosts. Those of the newest are returned.
func (f *finding) systems(ctx context.Context) (newest map[store.Path]bool, err error) {
	newest, f.hosts = map[store.Path]bool{}, map[string]bool{}
	for _, d := range f.dirs {
		if d.Kept == Removed {
			continue
		}
		key := (&Head{Dir: d.Dir}).MembersKey()
		text, _, err := objectstore.Read(ctx, f.store, key, objectstore.ReadOptions{Limit: MaxHosts})
		if errors.Is(err, objectstore.ErrNotFound) && d.Kept != KeptNewest {
			continue // its publication has not come so far
		}
		if err != nil {
			return nil, err
		}
		var m *Members
		if d.Kept == KeptNewest {
			m, err = OpenMembers(text, f.head, f.options.Keys)
		} else {
			// It may be by a key that is no longer used. Whoever has written it, it only makes paths stay.
			m = &Members{}
			payload, _, _ := bytes.Cut(text, []byte("\n"))
			err = decode(payload, m)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of %s: %w: what release %d needs is not known; publish again or remove it", key, f.store, err, d.Number)
		}
		for _, member := range m.Hosts {
			f.hosts[member.Host] = true
			f.roots = append(f.roots, member.System)
			if d.Kept == KeptNewest {
				newest[member.System] = true
			}
		}
	}
	if len(newest) == 0 {
		return nil, fmt.Errorf("list %s: the list lacks release %d, which hosts take: is it out of date?", f.store, f.head.Number)
	}
	return newest, nil
}

// reports reads what hosts are on, and finds the reports of hosts that are gone.
func (f *finding) reports(ctx context.Context, p *Pruning) (gone []objectstore.Entry, err error) {
	type told struct {
		entry  objectstore.Entry
		host   string
		paths  []store.Path
		before *objectstore.Entry // the object beside it; nil for none
	}
	var all []*told
	befores := map[string]*objectstore.Entry{}
	for i, e := range f.entries {
		name, ok := strings.CutPrefix(e.Key, "muster/reports/")
		host, isReport := strings.CutSuffix(name, ".json")
		if dir, _, nested := strings.Cut(host, "/"); ok && nested && e.Key == BeforeKey(dir) {
			befores[dir] = &f.entries[i]
		} else if ok && isReport && !nested {
			all = append(all, &told{entry: e, host: host})
		}
	}
	for _, t := range all {
		t.before = befores[t.host]
	}
	var g errgroup.Group
	g.SetLimit(readers)
	for _, t := range all {
		g.Go(func() error {
			text, _, err := objectstore.Read(ctx, f.store, t.entry.Key, objectstore.ReadOptions{Limit: MaxReport})
			if errors.Is(err, objectstore.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			if r, err := ParseReport(text, t.host); err == nil {
				t.paths = []store.Path{r.System, r.Running, r.Boots}
			}
			if t.before != nil {
				before, err := readBefore(ctx, f.store, t.host)
				if err != nil {
					return err
				}
				t.paths = append(t.paths, before)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for _, t := range all {
		if !f.hosts[t.host] && !f.young(t.entry) && f.options.Now.Sub(t.entry.Modified) >= f.options.Newer {
			gone, p.Reports = append(gone, t.entry), append(p.Reports, t.host)
			if t.before != nil {
				gone = append(gone, *t.before)
			}
			continue
		}
		for _, path := range t.paths {
			if path != "" {
				f.roots = append(f.roots, path)
			}
		}
	}
	return gone, nil
}
