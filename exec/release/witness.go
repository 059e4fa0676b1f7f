package release

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"muster/exec/archive"
	"muster/exec/objectstore"
	"muster/exec/sshsig"
)

// What hosts sign is a line of JSON and a line for the signature by each of their SSH host keys, as ssh-keygen -Y signs.
// A namespace tells the kinds apart.
const (
	reportNamespace = "muster-report"
	gateNamespace   = "muster-gate"
)

// The errors about what a host says that callers tell apart.
var (
	ErrNotSigned = errors.New("it is not signed: the agent is older than signed reports, or finds no SSH host key")
	ErrNoHostKey = errors.New("the release has no host_keys of the host")
)

// signByHost puts signatures behind a line.
func signByHost(namespace string, line []byte, keys []*sshsig.Key) ([]byte, error) {
	text := bytes.Clone(line)
	for _, k := range keys[:min(len(keys), maxSignatures)] {
		sig, err := k.Sign(namespace, line)
		if err != nil {
			return nil, err
		}
		text = append(append(text, sig...), '\n')
	}
	return text, nil
}

// splitSigned separates a line, with its end, from the signatures behind it.
func splitSigned(text []byte) (line []byte, signatures []string, err error) {
	end := bytes.IndexByte(text, '\n') + 1
	if end == 0 || text[len(text)-1] != '\n' {
		return nil, nil, ErrDamaged
	}
	if end < len(text) {
		signatures = strings.Split(string(text[end:len(text)-1]), "\n")
	}
	if len(signatures) > maxSignatures {
		return nil, nil, fmt.Errorf("%w: it has %d signatures, want %d at most", ErrDamaged, len(signatures), maxSignatures)
	}
	return text[:end], signatures, nil
}

// verifyByHost says why a line is not by the host that has these keys; nil where it is.
func verifyByHost(public []string, namespace string, line []byte, signatures []string) (err error) {
	switch {
	case len(public) == 0:
		return ErrNoHostKey
	case len(signatures) == 0:
		return ErrNotSigned
	}
	for _, sig := range signatures {
		if err = sshsig.Verify(public, namespace, line, sig); err == nil {
			return nil
		}
	}
	return err
}

// Heard is the last report of a host.
type Heard struct {
	*Report
	Doubt error // why it is not believed; nil where a host key of the release has signed it
}

// A Witness reads what hosts say about a release, and checks who says it.
type Witness struct {
	Store objectstore.Store
	Head  *Head
	Keys  []archive.PublicKey // of the release
}

// keysOf are the SSH host keys by which the release knows a host: those of its signed part.
func (w *Witness) keysOf(ctx context.Context, host string) ([]string, error) {
	text, _, err := objectstore.Read(ctx, w.Store, w.Head.PartKey(host), objectstore.ReadOptions{Limit: MaxPart})
	if err != nil {
		return nil, err
	}
	p, err := OpenPart(text, w.Head, host, w.Keys)
	if err != nil {
		return nil, err
	}
	step, err := p.Step()
	if err != nil {
		return nil, err
	}
	return step.Host.HostKeys, nil
}

// Report is the last report of a host; nil where there is none.
func (w *Witness) Report(ctx context.Context, host string) (*Heard, error) {
	text, _, err := objectstore.Read(ctx, w.Store, ReportKey(host), objectstore.ReadOptions{Limit: MaxReport})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, err := ParseReport(text, host)
	if err != nil {
		return nil, err
	}
	h := &Heard{Report: r}
	keys, err := w.keysOf(ctx, host)
	switch {
	case objectstore.Fails(err):
		return nil, err
	case err != nil:
		h.Doubt = fmt.Errorf("read its host_keys: %w", err)
		return h, nil
	}
	line, signatures, _ := splitSigned(text)
	h.Doubt = verifyByHost(keys, reportNamespace, line, signatures)
	return h, nil
}

// readers is how many reports are read side by side.
const readers = 16

// Reports reads the last reports of hosts. A report that is damaged, or that the store does not show, counts as none. A store
// that fails is an error: what it does not tell now may be that a host has failed.
func (w *Witness) Reports(ctx context.Context, hosts []string) (map[string]*Heard, error) {
	list := make([]*Heard, len(hosts))
	g, together := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, host := range hosts {
		g.Go(func() (err error) {
			if list[i], err = w.Report(together, host); objectstore.Fails(err) {
				return err
			}
			return nil
		})
	}
	err := g.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	reports := map[string]*Heard{}
	for i, host := range hosts {
		if list[i] != nil {
			reports[host] = list[i]
		}
	}
	return reports, nil
}

// witnesses is how many hosts must have counted that a gate is open before the others believe it: one alone may lie.
const witnesses = 3

// gate is what hosts have counted about the gate before a wave; nil where that is not enough to go by, and the host that asks
// counts too. Its count then has a place beside theirs.
func (w *Witness) gate(ctx context.Context, wave int, asks string) (g *Gate, place int, err error) {
	by := map[string]bool{}
	for place = range witnesses {
		g, err = w.counted(ctx, w.Head.gateKey(wave, place), wave)
		switch {
		case g == nil || err != nil:
			return nil, place, err
		case !g.Open && place > 0: // the first place says that a wave waits
			return nil, place, nil
		case !g.Open || g.Host == asks:
			return g, 0, nil
		case by[g.Host]:
			return nil, place, nil
		}
		by[g.Host] = true
	}
	return g, 0, nil
}

// counted is what a host has counted about a gate; nil where there is nothing to go by.
func (w *Witness) counted(ctx context.Context, key string, wave int) (*Gate, error) {
	text, _, err := objectstore.Read(ctx, w.Store, key, objectstore.ReadOptions{Limit: maxGate})
	if errors.Is(err, objectstore.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var g Gate
	line, signatures, err := splitSigned(text)
	if err != nil || decode(line, &g) != nil || g.Wave != wave {
		return nil, nil
	}
	// That a wave waits is believed of anybody: who may write to the store can keep releases from hosts in other ways.
	if !g.Open {
		return &g, nil
	}
	if g.Dir != w.Head.Dir || g.Host == "" || w.counts() {
		return nil, nil
	}
	keys, err := w.keysOf(ctx, g.Host)
	if err != nil || verifyByHost(keys, gateNamespace, line, signatures) != nil {
		return nil, nil
	}
	return &g, nil
}

// believesNobody is the most hosts of a release whose agents count reports themselves before they begin. Agents of larger
// ones would read the whole list of hosts each, and believe a gate that several of them have counted.
const believesNobody = 64

// counts reports whether each host counts the reports itself.
func (w *Witness) counts() bool {
	hosts := 0
	for _, wave := range w.Head.Waves {
		hosts += wave.Hosts
	}
	return hosts <= believesNobody
}

// before are the hosts of the waves before one that a gate waits for.
func before(members []Member, wave int) (hosts []string) {
	for i := range members {
		if m := &members[i]; m.Wave < wave && m.counts() {
			hosts = append(hosts, m.Host)
		}
	}
	return hosts
}

// believed are the reports that are.
func believed(heard map[string]*Heard) map[string]*Report {
	reports := map[string]*Report{}
	for host, h := range heard {
		if h.Doubt == nil {
			reports[host] = h.Report
		}
	}
	return reports
}

// doubted says which hosts have reports that are not believed, such as one of them and why; "" for none.
func doubted(heard map[string]*Heard) string {
	var hosts []string
	for host, h := range heard {
		if h.Doubt != nil {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) == 0 {
		return ""
	}
	first := slices.Min(hosts)
	return fmt.Sprintf("%d reports are not believed, such as that of %s: %v", len(hosts), first, heard[first].Doubt)
}
