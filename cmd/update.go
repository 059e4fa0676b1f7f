package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile/flake"
	"muster/exec/evaluate"
	"muster/exec/foreign"
	"muster/schema"
)

// updateOptions are those of update, which pins inputs.
type updateOptions struct {
	noRules
	reading loadFlags
	dryRun  bool
	plan    bool
}

func (o *updateOptions) groups() []group { return []group{&o.reading} }

func (o *updateOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Bool(&o.dryRun, false), "dry-run", "n", "show what would change, and write nothing")
	fs.Var(flags.Bool(&o.plan, false), "plan", "evaluate the fleet with and without the change, show whose systems would change, and write nothing")
}

func (o *updateOptions) run(ctx context.Context, std streams, args []string) error {
	args, where := namesAndInventory(args)
	o.reading.unpinned = true
	fleet, err := o.reading.load(ctx, where)
	if err != nil {
		return err
	}
	if err := updatable(fleet, args); err != nil {
		return err
	}
	name := filepath.Join(fleet.Dir, schema.DefaultLock)
	before, text, err := readLock(name)
	if err != nil {
		return err
	}
	environment, err := new(evaluateFlags).environment(nil, nil, std.err)
	if err != nil {
		return err
	}
	if environment.Fetcher == nil {
		return evaluate.ErrNoFetcher
	}
	environment.Fetcher.TTL = -1 // what was fetched a moment ago may not be the newest
	now, err := environment.Lock(ctx, fleet, before, func(input string) bool { return len(args) == 0 || slices.Contains(args, input) }, evaluate.Options{Fleet: fleet, Trace: std.err, MaxTime: time.Hour})
	if err != nil {
		return reportEvaluation(std, err, false)
	}
	changes := evaluate.LockedChanges(before, now)
	table := ui.NewReport(std.out, "input", "was", "is")
	for _, c := range changes {
		table.Row(c.Name, lockedText(c.Before), lockedText(c.Now))
	}
	table.Flush()
	written := lockText(now)
	switch {
	case bytes.Equal(written, text):
		fmt.Fprintln(std.out, "every input is the newest")
		return nil
	case o.plan:
		fmt.Fprintf(std.out, "not written: %s\n", schema.DefaultLock)
		return o.systems(ctx, std, fleet, before, now, environment)
	case o.dryRun:
		fmt.Fprintf(std.out, "not written: %s\n", schema.DefaultLock)
		return nil
	}
	if err := writeFile(name, written); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "written: %s; now: muster plan\n", schema.DefaultLock)
	return nil
}

// systems shows whose systems would change.
func (o *updateOptions) systems(ctx context.Context, std streams, fleet *schema.Fleet, before, now *flake.Lock, e evaluate.Environment) error {
	how := evaluateFlags{evaluator: byEmbedded, maxTime: time.Hour}
	evaluated := func(lock *flake.Lock) ([]evaluate.Result, error) {
		locked, err := e.WithLock(fleet, lock)
		if err != nil {
			return nil, err
		}
		return how.systems(ctx, nil, locked, locked.Hosts, std.err)
	}
	is, err := evaluated(now)
	if err != nil {
		return err
	}
	var was []evaluate.Result
	if len(before.Root.Inputs) > 0 {
		if was, err = evaluated(before); err != nil {
			return err
		}
	}
	errs := compareSystems(std, was, is)
	return (&evalOptions{how: how}).end(std, fleet.Hosts, errs, len(is)-len(errs))
}

// updatable checks that the fleet has the inputs, and that muster.lock is what pins them.
func updatable(fleet *schema.Fleet, names []string) error {
	var there []string
	for i := range fleet.Inputs {
		if fleet.Inputs[i].Kind != "" {
			there = append(there, fleet.Inputs[i].Name)
		}
	}
	if l := fleet.Lock; l != nil && filepath.Base(l.Path) != schema.DefaultLock {
		return fmt.Errorf("%s: the fleet's inputs are pinned by %s, which the tool that wrote it updates", l.At, l.Path)
	}
	if len(there) == 0 {
		return usageError{errors.New("the inventory has no inputs; inputs names them")}
	}
	for _, name := range names {
		if !slices.Contains(there, name) {
			return usageError{fmt.Errorf("no input named %q; known inputs: %s", name, strings.Join(there, ", "))}
		}
	}
	return nil
}

// readLock reads a lock file of muster. One that does not exist is empty.
func readLock(name string) (*flake.Lock, []byte, error) {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
	if errors.Is(err, fs.ErrNotExist) {
		return flake.EmptyLock(), nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	lock, err := flake.ParseLock(name, text)
	return lock, text, err
}

// lockText is the text of a lock: that of a flake.lock, with each input on a line of its
// own.
func lockText(l *flake.Lock) []byte {
	text, _ := l.JSON()
	var parts struct {
		Nodes   map[string]json.RawMessage
		Root    string
		Version int
	}
	if err := json.Unmarshal([]byte(text), &parts); err != nil {
		panic("muster.lock: " + err.Error()) // it was made here
	}
	var keys []string
	for key := range parts.Nodes {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var b bytes.Buffer
	b.WriteString("{\n  \"nodes\": {\n")
	for i, key := range keys {
		name, _ := json.Marshal(key)
		var line bytes.Buffer
		json.Compact(&line, parts.Nodes[key])
		comma := ","
		if i == len(keys)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, "    %s: %s%s\n", name, &line, comma)
	}
	root, _ := json.Marshal(parts.Root)
	fmt.Fprintf(&b, "  },\n  \"root\": %s,\n  \"version\": %d\n}\n", root, parts.Version)
	return b.Bytes()
}

// lockedText is what an input is locked to, in a few words: its commit or the begin of its
// hash, and its date.
func lockedText(r *flake.Ref) string {
	if r == nil {
		return "-"
	}
	text := r.Attrs.String("rev")
	if text == "" {
		text = r.Attrs.String("narHash")
	}
	if text == "" {
		text = r.Attrs.String("path")
	}
	if len(text) > 15 {
		text = text[:15]
		if rev := r.Attrs.String("rev"); rev != "" {
			text = rev[:12]
		}
	}
	if seconds, ok := r.Attrs.Int("lastModified"); ok && seconds > 0 {
		text += " " + time.Unix(seconds, 0).UTC().Format(time.DateOnly)
	}
	return text
}
