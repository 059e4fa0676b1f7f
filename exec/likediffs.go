package exec

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"muster/exec/units"
)

// likeDiffs has the diffs of a run's hosts hold what is the same on several of them once.
// A fleet has few kinds of hosts, so the memory that a plan takes does not grow with what
// changes on all hosts of a kind: with 300 packages that change, a diff of its own has
// 40 kB, and a shared one has 1 kB.
//
// Texts that come from a host's answer are copied, as a part of the answer would keep the
// whole of it.
type likeDiffs struct {
	mu       sync.Mutex
	texts    map[string]string
	names    listPool[string]
	notes    listPool[units.Note]
	packages map[packageKey]*Package
	lists    listPool[*Package]
}

// A packageKey says what is in a package. Its lists are shared ones.
type packageKey struct {
	name          string
	before, after *string // the first of each list
}

// share replaces what the diff holds by what an equal diff before it holds. The lists must
// not be changed afterwards.
func (l *likeDiffs) share(d *Diff) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.texts == nil {
		l.texts, l.packages = map[string]string{}, map[packageKey]*Package{}
	}
	for _, list := range []*[]*Package{&d.Added, &d.Removed, &d.Changed} {
		for i, p := range *list {
			(*list)[i] = l.sharePackage(p)
		}
		*list = l.lists.share(*list)
	}
	for _, list := range []*[]string{
		&d.Etc.Added, &d.Etc.Removed, &d.Etc.Changed, &d.Reboot,
		&d.Stop, &d.Start, &d.Restart, &d.Reload, &d.Again, &d.Stay,
	} {
		*list = l.shareTexts(*list)
	}
	for _, list := range []*[]units.Note{&d.Unknown, &d.Undone} {
		for i, n := range *list {
			(*list)[i] = units.Note{Unit: l.shareText(n.Unit), Text: l.shareText(n.Text)}
		}
		*list = l.notes.share(*list)
	}
}

func (l *likeDiffs) shareText(text string) string {
	same, known := l.texts[text]
	if !known {
		same = strings.Clone(text)
		l.texts[same] = same
	}
	return same
}

func (l *likeDiffs) shareTexts(list []string) []string {
	for i, text := range list {
		list[i] = l.shareText(text)
	}
	return l.names.share(list)
}

func (l *likeDiffs) sharePackage(p *Package) *Package {
	shared := Package{Name: l.shareText(p.Name), Before: l.shareTexts(p.Before), After: l.shareTexts(p.After)}
	first := func(list []string) *string {
		if len(list) == 0 {
			return nil
		}
		return &list[0]
	}
	key := packageKey{shared.Name, first(shared.Before), first(shared.After)}
	if l.packages[key] == nil {
		l.packages[key] = &shared
	}
	return l.packages[key]
}

// A listPool holds lists. Those with one hash that differ are rare, and only the first of them
// is in it.
type listPool[T comparable] struct {
	seed  maphash.Seed
	lists map[uint64][]T
}

// share returns a list that is equal to the given one, and is the same for all equal ones.
func (p *listPool[T]) share(list []T) []T {
	if len(list) == 0 {
		return list
	}
	if p.lists == nil {
		p.seed, p.lists = maphash.MakeSeed(), map[uint64][]T{}
	}
	var h maphash.Hash
	h.SetSeed(p.seed)
	for _, v := range list {
		maphash.WriteComparable(&h, v)
	}
	key := h.Sum64()
	same, known := p.lists[key]
	switch {
	case !known:
		list = slices.Clip(list)
		p.lists[key] = list
	case slices.Equal(same, list):
		return same
	}
	return list
}
