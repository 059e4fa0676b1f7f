package release

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"muster/exec/human"
	"muster/exec/objectstore"
)

// pruneKey is the object that says whether a store is being pruned. A publisher that finds a path in the store counts on it,
// which a prune may just be removing:
//
//	prune:   mark open ─▶ list ─▶ [ mark and head as before? ─▶ remove a batch ]… ─▶ mark closed
//	publish: mark: close an open one ─▶ upload ─▶ head ─▶ mark changed? ─▶ upload what is missing again
//
// A prune that finds the mark or the head changed has ended. One that was killed leaves its mark open: the next publisher
// closes it, and waits as long as a batch may take.
const pruneKey = "muster/prune.json"

// A pruneMark is what that object holds. Nothing is decided by who has written it: it only has a prune end, or an upload be
// repeated.
type pruneMark struct {
	Version int       `json:"muster_prune" want:"1..1000000"`
	Word    string    `json:"word"` // of one prune, or of the publisher that has ended one
	Open    bool      `json:"open"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
}

const maxMark = 4 << 10

// The bounds of one batch of removals.
const (
	batchSize = 500
	batchTime = 30 * time.Second
)

// readMark reads the mark; the zero value where there is none that can be read.
func readMark(ctx context.Context, s objectstore.Store) (m pruneMark, err error) {
	text, _, err := objectstore.Read(ctx, s, pruneKey, objectstore.ReadOptions{Limit: maxMark})
	if errors.Is(err, objectstore.ErrNotFound) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	if decode(text, &m) != nil {
		return pruneMark{Word: "unreadable"}, nil
	}
	return m, nil
}

func (m pruneMark) write(ctx context.Context, s objectstore.Store) error {
	m.Version = version
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return objectstore.Write(ctx, s, pruneKey, append(text, '\n'), objectstore.Condition{})
}

// ErrOvertaken says that a prune has ended early, as something was published meanwhile.
var ErrOvertaken = errors.New("a release was published meanwhile, or somebody else prunes the store")

// maxSkew is how much the clocks of a store and of this machine may differ where objects are removed for their age.
const maxSkew = time.Hour

// Prune removes what [FindUnneeded] finds, which may have changed since it was asked, and returns what it has removed: with an
// error, a part of that.
func Prune(ctx context.Context, s objectstore.Store, o PruneOptions, by string) (*Pruning, error) {
	mark := pruneMark{Word: rand.Text(), Open: true, At: o.Now.UTC().Truncate(time.Second), By: by}
	if err := mark.write(ctx, s); err != nil {
		return nil, err
	}
	entries, err := objectstore.List(ctx, s)
	if err == nil {
		err = checkClock(s, entries, o.Now)
	}
	var p *Pruning
	if err == nil {
		p, err = findUnneeded(ctx, s, entries, o)
	}
	if err == nil {
		err = p.carryOut(ctx, s, o, mark)
	}
	// Where the mark is another's, it is left alone. One that cannot be closed only has the next publisher wait.
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), batchTime)
	defer cancel()
	if now, again := readMark(closing, s); again == nil && now.Word == mark.Word {
		mark.Open = false
		_ = mark.write(closing, s)
	}
	return p, err
}

// checkClock compares the clock of this machine with the store's, which has just written the mark.
func checkClock(s objectstore.Store, entries []objectstore.Entry, now time.Time) error {
	for _, e := range entries {
		if e.Key != pruneKey {
			continue
		}
		if e.Modified.IsZero() {
			return fmt.Errorf("%s does not say when objects were written", s)
		}
		if skew := now.Sub(e.Modified).Abs(); skew > maxSkew {
			return fmt.Errorf("the clock of %s and that of this machine differ by %s, and objects are removed for their age: set them right", s, human.Duration(skew))
		}
		return nil
	}
	return fmt.Errorf("list %s: the list lacks %s, which was just written: is it out of date?", s, pruneKey)
}

// carryOut removes batch by batch, for as long as nothing is published.
func (p *Pruning) carryOut(ctx context.Context, s objectstore.Store, o PruneOptions, mark pruneMark) error {
	removed, size := 0, int64(0)
	for _, list := range p.remove {
		for len(list) > 0 {
			batch := list[:min(len(list), batchSize)]
			list = list[len(batch):]
			err := p.batch(ctx, s, o, mark, batch)
			if err != nil {
				return fmt.Errorf("%w; %d of %d objects were removed before that (%s): prune again for the rest", err, removed, p.Objects, human.Bytes(size))
			}
			removed += len(batch)
			for _, e := range batch {
				size += e.Size
			}
		}
	}
	return nil
}

// batch removes some objects, where the store still is what was looked at.
func (p *Pruning) batch(ctx context.Context, s objectstore.Store, o PruneOptions, mark pruneMark, batch []objectstore.Entry) error {
	ctx, cancel := context.WithTimeoutCause(ctx, batchTime, fmt.Errorf("%w: it has not removed %d objects in %v", objectstore.ErrUnreachable, len(batch), batchTime))
	defer cancel()
	now, err := readMark(ctx, s)
	if err != nil {
		return err
	}
	head, err := Current(ctx, s, o.Keys)
	if err != nil {
		return err
	}
	if now.Word != mark.Word || head.Dir != p.head.Dir {
		return ErrOvertaken
	}
	var keys []string
	for _, e := range batch {
		keys = append(keys, e.Key)
	}
	return objectstore.Remove(ctx, s, keys)
}

// A Publication notices whether a prune takes away what it counts on.
type Publication struct {
	store objectstore.Store
	word  string        // of the mark at its beginning
	wait  time.Duration // after which a prune that was ended removes nothing more
}

// Begin is called before anybody looks at what the store has. A prune that goes on is ended.
func Begin(ctx context.Context, s objectstore.Store) (*Publication, error) {
	p := &Publication{store: s, wait: batchTime + batchTime/2}
	return p, p.begin(ctx)
}

func (p *Publication) begin(ctx context.Context) error {
	m, err := readMark(ctx, p.store)
	if err != nil {
		return err
	}
	p.word = m.Word
	if !m.Open {
		return nil
	}
	p.word = rand.Text()
	if err := (pruneMark{Word: p.word, At: m.At, By: m.By}).write(ctx, p.store); err != nil {
		return err
	}
	select {
	case <-time.After(p.wait):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Disturbed is called after the head was written. It reports whether a prune has gone on meanwhile, which has ended then: what
// the release needs is looked for again.
func (p *Publication) Disturbed(ctx context.Context) (bool, error) {
	before := p.word
	if err := p.begin(ctx); err != nil {
		return false, err
	}
	return p.word != before, nil
}
