package cmd

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"muster/compile/eval"
	"muster/compile/store"
	"muster/exec/nixcmd"
)

// An evalCache remembers between runs what hosts evaluated to, and all that
// this depended on: a host for which all of it is still the same is not
// evaluated again. There is one file a fleet, below the user's cache directory.
// Whatever is wrong with it, the hosts are evaluated.
type evalCache struct {
	file  string // "" where nothing is kept
	known cachedFleet
}

// A cachedFleet is the content of the file.
type cachedFleet struct {
	Key    string       // of what goes for all hosts
	Inputs []eval.Input // of all hosts, each once
	Hosts  map[string]cachedHost
}

type cachedHost struct {
	System nixcmd.System
	Said   []string // lines traced during its evaluation
	Reads  [][2]int // from where to where in Inputs, exclusively
}

// evalCaches is how many fleets are kept: those evaluated last.
const evalCaches = 50

// openEvalCache reads what is known of the fleet in a directory, evaluated in a
// way that key stands for.
func openEvalCache(dir string, key ...string) *evalCache {
	sum := sha256.Sum256([]byte(dir))
	c := &evalCache{known: cachedFleet{Key: keyOf(append(key, dir, thisMuster())...), Hosts: map[string]cachedHost{}}}
	cache, err := os.UserCacheDir()
	if err != nil {
		return c
	}
	c.file = filepath.Join(cache, "muster", "eval", fmt.Sprintf("%s-%x", filepath.Base(dir), sum[:8]))
	b, err := os.ReadFile(c.file)
	if err != nil {
		return c
	}
	// A line with the digest of the rest: half a file is none.
	seal, text, _ := bytes.Cut(b, []byte("\n"))
	if string(seal) != keyOf(string(text)) {
		return c
	}
	var known cachedFleet
	if json.Unmarshal(text, &known) == nil && known.Key == c.known.Key && known.sound() {
		c.known = known
	}
	return c
}

// sound reports whether all hosts' inputs are there.
func (f *cachedFleet) sound() bool {
	for _, h := range f.Hosts {
		for _, r := range h.Reads {
			if r[0] < 0 || r[0] > r[1] || r[1] > len(f.Inputs) {
				return false
			}
		}
	}
	return f.Hosts != nil
}

func keyOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// thisMuster stands for the evaluator: any other muster may evaluate otherwise.
func thisMuster() string {
	id := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		id = info.String()
	}
	if exe, err := os.Executable(); err == nil {
		if info, err := os.Stat(exe); err == nil {
			id += fmt.Sprintf("%s %d %d", exe, info.Size(), info.ModTime().UnixNano())
		}
	}
	return id
}

// current returns the hosts that would evaluate to the same again.
func (c *evalCache) current(hosts []string, look *eval.Look) map[string]cachedHost {
	current := map[string]cachedHost{}
	for _, name := range hosts {
		h, ok := c.known.Hosts[name]
		if ok && c.same(h, look) {
			current[name] = h
		}
	}
	return current
}

func (c *evalCache) same(h cachedHost, look *eval.Look) bool {
	for _, r := range h.Reads {
		for _, in := range c.known.Inputs[r[0]:r[1]] {
			if !look.Same(in) {
				return false
			}
		}
	}
	return true
}

// An evaluatedHost is what is to be remembered of a host.
type evaluatedHost struct {
	system nixcmd.System
	inputs []eval.Input
	said   []string
}

// save adds hosts to what is known, and leaves out those that are not in fleet.
// Shared is what all of the new ones depend on, said what was traced for all.
// That nothing can be kept is no error: the next run takes longer.
func (c *evalCache) save(fleet []string, hosts map[string]evaluatedHost, shared []eval.Input, said []string) {
	if c.file == "" || slices.ContainsFunc(shared, func(in eval.Input) bool { return !in.Lasting() }) {
		return
	}
	w := cachedFleetWriter{fleet: cachedFleet{Key: c.known.Key, Hosts: map[string]cachedHost{}}, at: map[string]int{}}
	for _, name := range fleet {
		if h, ok := hosts[name]; ok {
			if !slices.ContainsFunc(h.inputs, func(in eval.Input) bool { return !in.Lasting() }) {
				w.add(name, h.system, append(slices.Clone(said), h.said...), shared, h.inputs)
			}
		} else if h, ok := c.known.Hosts[name]; ok {
			var inputs [][]eval.Input
			for _, r := range h.Reads {
				inputs = append(inputs, c.known.Inputs[r[0]:r[1]])
			}
			w.add(name, h.System, h.Said, inputs...)
		}
	}
	text, err := json.Marshal(w.fleet)
	if err != nil {
		return
	}
	c.write(append([]byte(keyOf(string(text))+"\n"), text...))
}

// A cachedFleetWriter puts inputs one behind the other, each once. Hosts have
// most of theirs in common, so what each refers to is few stretches.
type cachedFleetWriter struct {
	fleet cachedFleet
	at    map[string]int // of inputs
}

func (w *cachedFleetWriter) add(name string, system nixcmd.System, said []string, inputs ...[]eval.Input) {
	var at []int
	for _, list := range inputs {
		for _, in := range list {
			key, _ := json.Marshal(in)
			i, ok := w.at[string(key)]
			if !ok {
				i = len(w.fleet.Inputs)
				w.at[string(key)] = i
				w.fleet.Inputs = append(w.fleet.Inputs, in)
			}
			at = append(at, i)
		}
	}
	slices.Sort(at)
	h := cachedHost{System: system, Said: said}
	for _, i := range slices.Compact(at) {
		if n := len(h.Reads); n > 0 && h.Reads[n-1][1] == i {
			h.Reads[n-1][1]++
		} else {
			h.Reads = append(h.Reads, [2]int{i, i + 1})
		}
	}
	w.fleet.Hosts[name] = h
}

// write replaces the file in one step, and deletes the oldest of too many.
func (c *evalCache) write(b []byte) {
	dir := filepath.Dir(c.file)
	if os.MkdirAll(dir, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(dir, ".new-") // readable by its owner only
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= evalCaches {
		return
	}
	age := func(e os.DirEntry) int64 {
		if info, err := e.Info(); err == nil {
			return info.ModTime().UnixNano()
		}
		return 0
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(age(a), age(b)) })
	for _, e := range entries[:len(entries)-evalCaches] {
		os.Remove(filepath.Join(dir, e.Name()))
	}
}

// drvs are the derivations of hosts.
func drvs(hosts map[string]cachedHost) []store.Path {
	var paths []store.Path
	for _, h := range hosts {
		paths = append(paths, h.System.Drv)
	}
	slices.Sort(paths)
	return paths
}
