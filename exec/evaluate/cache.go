package evaluate

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"

	"muster/compile/eval"
	"muster/compile/store"
	"muster/exec/foreign"
)

// A cache remembers between runs what the hosts of a fleet evaluated to, with
// everything that this depended on, its inputs. A host is not evaluated again
// while all of its inputs are the same. The cache is one file for each fleet. If
// that file cannot be read or used, the hosts are evaluated.
type cache struct {
	file    string
	content cacheContent
}

// A cacheContent is the content of the file.
type cacheContent struct {
	Key    string       // the digest of everything that all hosts depend on
	Inputs []eval.Input // of all hosts, without duplicates
	Hosts  map[string]cachedHost
}

type cachedHost struct {
	System   System
	Warnings []string
	Traced   []string // lines traced during its evaluation
	Reads    [][2]int // ranges of Inputs: first, and one past the last
}

// maxCaches is how many fleets have a cache: those evaluated last.
const maxCaches = 50

// maxCache is the largest cache that is read, in bytes. That of 10,000 hosts has
// some 50 MB.
const maxCache = 512 << 20

// openCache reads the cache of the fleet whose inventory is in a directory. Key
// is everything besides the fleet's files that the evaluation depends on. A cache
// says which system a host gets, so there is an error about one that others may
// have written.
func openCache(cacheDir, fleetDir string, key ...string) (*cache, error) {
	sum := sha256.Sum256([]byte(fleetDir))
	c := &cache{
		file:    filepath.Join(cacheDir, fmt.Sprintf("%s-%x", filepath.Base(fleetDir), sum[:8])),
		content: cacheContent{Key: keyOf(append(key, fleetDir, thisProgram())...), Hosts: map[string]cachedHost{}},
	}
	if err := foreign.CheckDir(cacheDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	b, err := foreign.ReadFile(c.file, foreign.Limits{Size: maxCache, Trusted: true})
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, err
	}
	// The first line is the digest of the rest, so that a damaged file is ignored.
	digest, text, _ := bytes.Cut(b, []byte("\n"))
	if string(digest) != keyOf(string(text)) {
		return c, nil
	}
	var content cacheContent
	if json.Unmarshal(text, &content) == nil && content.Key == c.content.Key && content.valid() {
		c.content = content
	}
	return c, nil
}

// valid reports whether all ranges of inputs are within Inputs.
func (c *cacheContent) valid() bool {
	for _, h := range c.Hosts {
		for _, r := range h.Reads {
			if r[0] < 0 || r[0] > r[1] || r[1] > len(c.Inputs) {
				return false
			}
		}
	}
	return c.Hosts != nil
}

// keyOf is a digest of parts.
func keyOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// thisProgram identifies the executable: another evaluator may find other
// systems.
func thisProgram() string {
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

// unchanged returns those of some hosts whose inputs are still the same.
func (c *cache) unchanged(hosts []string, look *eval.Look) map[string]cachedHost {
	unchanged := map[string]cachedHost{}
	for _, name := range hosts {
		h, ok := c.content.Hosts[name]
		if ok && c.same(h, look) {
			unchanged[name] = h
		}
	}
	return unchanged
}

func (c *cache) same(h cachedHost, look *eval.Look) bool {
	for _, r := range h.Reads {
		for _, in := range c.content.Inputs[r[0]:r[1]] {
			if !look.Same(in) {
				return false
			}
		}
	}
	return true
}

// An evaluatedHost is a host to save: its result, and the inputs and traced lines
// that are its own.
type evaluatedHost struct {
	result Result
	inputs []eval.Input
	traced []string
}

// save stores evaluated hosts, and keeps of the stored ones those that are in
// fleet. Shared are the inputs, and sharedTraces the traced lines, of all
// evaluated hosts. After an error the next run takes longer.
func (c *cache) save(fleet []string, evaluated map[string]evaluatedHost, shared []eval.Input, sharedTraces []string) error {
	if slices.ContainsFunc(shared, changesByItself) {
		return nil
	}
	w := cacheWriter{content: cacheContent{Key: c.content.Key, Hosts: map[string]cachedHost{}}, at: map[inputKey]int{}}
	common := w.indexes(shared)
	kept := make([]int, len(c.content.Inputs)) // the new index of each stored input, plus 1
	for _, name := range fleet {
		if h, ok := evaluated[name]; ok {
			if !slices.ContainsFunc(h.inputs, changesByItself) {
				traced := append(slices.Clone(sharedTraces), h.traced...)
				w.add(name, cachedHost{System: h.result.System, Warnings: h.result.Warnings, Traced: traced}, append(w.indexes(h.inputs), common...))
			}
		} else if h, ok := c.content.Hosts[name]; ok {
			var indexes []int
			for _, r := range h.Reads {
				for i := r[0]; i < r[1]; i++ {
					if kept[i] == 0 {
						kept[i] = w.index(c.content.Inputs[i]) + 1
					}
					indexes = append(indexes, kept[i]-1)
				}
			}
			w.add(name, h, indexes)
		}
	}
	text, err := json.Marshal(w.content)
	if err != nil {
		return err
	}
	return c.write(append([]byte(keyOf(string(text))+"\n"), text...))
}

// changesByItself reports whether an input, such as the time, is another one in
// the next run.
func changesByItself(in eval.Input) bool { return !in.Lasting() }

// A cacheWriter lists the inputs of hosts without duplicates. Hosts have most of
// their inputs in common, so each refers to few ranges of the list.
type cacheWriter struct {
	content cacheContent
	at      map[inputKey]int // the index of an input
}

// An inputKey is an input as a key of a map.
type inputKey struct {
	kind               eval.InputKind
	tree, name, digest string
	omit               string // the input in JSON if it has an Omit
}

// add adds a host with the indexes of its inputs; h.Reads is replaced.
func (w *cacheWriter) add(name string, h cachedHost, indexes []int) {
	slices.Sort(indexes)
	h.Reads = nil
	for _, i := range slices.Compact(indexes) {
		if n := len(h.Reads); n > 0 && h.Reads[n-1][1] == i {
			h.Reads[n-1][1]++
		} else {
			h.Reads = append(h.Reads, [2]int{i, i + 1})
		}
	}
	w.content.Hosts[name] = h
}

// indexes returns the indexes of inputs.
func (w *cacheWriter) indexes(inputs []eval.Input) []int {
	list := make([]int, len(inputs))
	for i, in := range inputs {
		list[i] = w.index(in)
	}
	return list
}

// index returns the index of an input, and adds it if it is new.
func (w *cacheWriter) index(in eval.Input) int {
	key := inputKey{kind: in.Kind, tree: in.Tree, name: in.Name, digest: in.Digest}
	if len(in.Omit) > 0 {
		omit, _ := json.Marshal(in)
		key.omit = string(omit)
	}
	i, ok := w.at[key]
	if !ok {
		i = len(w.content.Inputs)
		w.at[key] = i
		w.content.Inputs = append(w.content.Inputs, in)
	}
	return i
}

// write replaces the file atomically.
func (c *cache) write(b []byte) error {
	dir := filepath.Dir(c.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if err := foreign.CheckDir(dir); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".new-") // readable by its owner only
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = cmp.Or(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), c.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return err
	}
	removeOldCaches(dir)
	return nil
}

// removeOldCaches removes the oldest caches if there are more than maxCaches.
func removeOldCaches(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) <= maxCaches {
		return
	}
	modified := func(e os.DirEntry) int64 {
		if info, err := e.Info(); err == nil {
			return info.ModTime().UnixNano()
		}
		return 0
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return cmp.Compare(modified(a), modified(b)) })
	for _, e := range entries[:len(entries)-maxCaches] {
		os.Remove(filepath.Join(dir, e.Name()))
	}
}

// derivations are the derivations of hosts.
func derivations(hosts map[string]cachedHost) []store.Path {
	var paths []store.Path
	for _, h := range hosts {
		paths = append(paths, h.System.Drv)
	}
	slices.Sort(paths)
	return paths
}
