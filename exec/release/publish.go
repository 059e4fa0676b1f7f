package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/exec"
	"muster/exec/archive"
	"muster/exec/human"
	"muster/exec/objectstore"
	"muster/schema"
)

// A Draft is a release before it has a number.
type Draft struct {
	Fleet string
	Plan  *exec.Plan // the systems of the hosts and their waves
	Made  time.Time
	Until time.Time
	// Start is when the first wave may begin; the zero value for at once.
	Start time.Time
	Share int
	// Number is that of the release; 0 is one more than that of the last.
	Number int64
}

// Publish writes a release: the documents first, then the head, where that still is the one that the number was taken from.
// All hosts keep the release before until the last request has been answered. The first document that cannot be written ends it.
func Publish(ctx context.Context, s objectstore.Store, d *Draft, keys []*archive.SecretKey) (*Head, error) {
	last, etag, err := current(ctx, s, archive.PublicHalves(keys))
	if err != nil {
		return nil, err
	}
	condition := objectstore.Condition{Match: etag}
	number := max(d.Number, 1)
	switch {
	case last == nil:
		condition = objectstore.Condition{Absent: true}
	case d.Number == 0:
		number = last.Number + 1
	case number <= last.Number:
		return nil, fmt.Errorf("publish release %d: release %d is there already: want a higher number", number, last.Number)
	}
	if last != nil && !d.Until.After(last.Made) {
		return nil, fmt.Errorf("publish release %d: it would be good until %s, and release %d was made at %s: hosts that have taken that one count the time from then, and would refuse this as expired; set the clock right, or let it be good for longer",
			number, d.Until.UTC().Format(time.RFC3339), last.Number, last.Made.UTC().Format(time.RFC3339))
	}
	h, documents, err := d.documents(number, newDir(number), keys)
	if err != nil {
		return nil, err
	}
	text, err := seal(headKind, h, keys)
	if err != nil {
		return nil, err
	}
	documents[h.CopyKey()] = text
	g, together := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for key, text := range documents {
		g.Go(func() error { return objectstore.Write(together, s, key, text, objectstore.Condition{Absent: true}) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	err = objectstore.Write(ctx, s, HeadKey, text, condition)
	if err == nil {
		err = stands(ctx, s, h, keys)
	}
	if errors.Is(err, objectstore.ErrConflict) {
		err = fmt.Errorf("%w: another release was published meanwhile; publish again to replace it", err)
	}
	if err != nil {
		return nil, err
	}
	return h, nil
}

// stands looks whether the head is that of the release. A server that ignores conditions has let two publishers write, of
// which this is not the last. Hosts that have taken one of two releases with a number refuse the other.
func stands(ctx context.Context, s objectstore.Store, h *Head, keys []*archive.SecretKey) error {
	now, _, err := current(ctx, s, archive.PublicHalves(keys))
	if err == nil && now != nil && now.Number >= h.Number && now.Dir != h.Dir {
		return objectstore.ErrConflict
	}
	return nil // it was written, whatever the store shows of it yet
}

// current is the head that is in a store, nil for none.
func current(ctx context.Context, s objectstore.Store, keys []archive.PublicKey) (*Head, string, error) {
	text, etag, err := objectstore.Read(ctx, s, HeadKey, objectstore.ReadOptions{Limit: MaxHead})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	h, err := OpenHead(text, keys)
	if err != nil {
		return nil, "", fmt.Errorf("%s of %s: %w: sign with the key of the last release, or with both", HeadKey, s, err)
	}
	return h, etag, nil
}

// Current is the release that is in a store.
func Current(ctx context.Context, s objectstore.Store, keys []archive.PublicKey) (*Head, error) {
	h, _, err := current(ctx, s, keys)
	if err == nil && h == nil {
		err = fmt.Errorf("%s: no release has been published there", s)
	}
	return h, err
}

// Ready looks whether Publish would get as far as to write: whether the store answers, and what is there is by one of the keys.
func Ready(ctx context.Context, s objectstore.Store, keys []*archive.SecretKey) error {
	_, _, err := current(ctx, s, archive.PublicHalves(keys))
	return err
}

// documents makes the head of a release and its other documents by their keys.
func (d *Draft) documents(number int64, dir string, keys []*archive.SecretKey) (*Head, map[string][]byte, error) {
	h := &Head{
		Version: version, Fleet: d.Fleet, Number: number, Dir: dir,
		Made: d.Made.UTC().Truncate(time.Second), Until: d.Until.UTC().Truncate(time.Second),
		MaxFailures: d.Plan.Rollout.MaxFailures, Pause: d.Plan.Rollout.Pause, Share: d.Share,
	}
	members := Members{Version: version, Dir: h.Dir}
	documents := map[string][]byte{}
	for i := range d.Plan.Steps {
		step := &d.Plan.Steps[i]
		for len(h.Waves) <= step.Wave {
			h.Waves = append(h.Waves, Wave{})
		}
		h.Waves[step.Wave].Hosts++
		name := step.Host.Name
		members.Hosts = append(members.Hosts, Member{Host: name, Wave: step.Wave, System: step.System.Out, Policy: step.Host.Policy})
		text, err := sealPart(h, step, keys)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		documents[h.PartKey(name)] = text
	}
	if len(h.Waves) > 0 && !d.Start.IsZero() {
		h.Waves[0].Start = d.Start.UTC().Truncate(time.Second)
	}
	if err := h.check(); err != nil {
		return nil, nil, err
	}
	if err := d.checkHostKeys(len(h.Waves)); err != nil {
		return nil, nil, err
	}
	text, err := seal(membersKind, members, keys)
	documents[h.MembersKey()] = text
	return h, documents, err
}

// checkHostKeys refuses waves that could wait for ever: those behind hosts whose reports nobody could check.
func (d *Draft) checkHostKeys(waves int) error {
	var without []string
	for i := range d.Plan.Steps {
		step := &d.Plan.Steps[i]
		m := Member{Policy: step.Host.Policy}
		if step.Wave < waves-1 && m.counts() && len(step.Host.HostKeys) == 0 {
			without = append(without, step.Host.Name)
		}
	}
	if len(without) == 0 {
		return nil
	}
	return fmt.Errorf("publish %d waves: the inventory has no host_keys of %s in waves before the last, such as %s: nobody could check what they report, and no wave would follow them",
		waves, human.Count(len(without), "host"), without[0])
}

// sealPart writes the part of a host: a plan of one step without what only a deployer needs, such as addresses.
func sealPart(h *Head, step *exec.Step, keys []*archive.SecretKey) ([]byte, error) {
	from := step.Host
	one := exec.Step{
		Host: &schema.Host{
			Name: from.Name, Local: true, Privilege: schema.Root, System: from.System, Policy: from.Policy,
			FailedUnits: from.FailedUnits, Care: from.Care, DiskUUID: from.DiskUUID, Health: fromHost(from.Health),
			HostKeys: from.HostKeys, // by which others know what the host reports
		},
		System: exec.System{Out: step.System.Out},
	}
	for _, hook := range step.Hooks {
		if hook.OnHost {
			one.Hooks = append(one.Hooks, hook)
		}
	}
	plan, err := (&exec.Plan{Action: exec.Switch, Dir: "/", Steps: []exec.Step{one}}).MarshalJSON()
	if err != nil {
		return nil, err
	}
	return seal(partKind, Part{Version: version, Dir: h.Dir, Host: from.Name, Wave: step.Wave, System: step.System.Out, Plan: plan}, keys)
}

// fromHost are health checks as the host itself makes them.
func fromHost(checks []schema.Check) []schema.Check {
	list := slices.Clone(checks)
	for i := range list {
		list[i].FromHere = false
	}
	return list
}

// Step is the host's part as a plan.
func (p *Part) Step() (exec.Step, error) {
	var plan exec.Plan
	if err := plan.UnmarshalJSON(p.Plan); err != nil {
		return exec.Step{}, fmt.Errorf("read the plan for %s: %w", p.Host, err)
	}
	if len(plan.Steps) != 1 || plan.Action != exec.Switch || plan.Steps[0].Host.Name != p.Host || plan.Steps[0].System.Out != p.System ||
		strings.Contains(p.Host, ":") || plan.Steps[0].Err != nil {
		return exec.Step{}, fmt.Errorf("read the plan for %s: want one step, with the system of the release", p.Host)
	}
	return plan.Steps[0], nil
}
