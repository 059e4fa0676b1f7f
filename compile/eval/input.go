package eval

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"muster/compile/store"
	"muster/compile/syntax"
)

// This file is what a cache of evaluations needs: a record of everything
// outside the program that an evaluation looked at, and a way to ask later
// whether it would see the same again.

// An Input is one thing an evaluation depended on, such as the content of a
// file. It is JSON.
type Input struct {
	Kind   InputKind
	Name   string            // a path, a variable's name, …
	Digest string            // of what was seen
	Omit   map[string]string `json:",omitempty"` // of a filteredInput: paths left out, and what they were
}

// An InputKind says what of the thing was looked at.
type InputKind string

const (
	importInput   InputKind = "import"   // the file a path leads to as import sees it, and its content
	fileInput     InputKind = "file"     // a file's content
	dirInput      InputKind = "dir"      // the names and types in a directory
	typeInput     InputKind = "type"     // what a path is, "" where there is nothing
	targetInput   InputKind = "target"   // the same of where its links lead
	treeInput     InputKind = "tree"     // all of a file or directory, as an archive
	filteredInput InputKind = "filtered" // the same without some paths
	envInput      InputKind = "env"      // an environment variable
	partInput     InputKind = "part"     // a part of the program; see [Evaluator.Part]
	passingInput  InputKind = "passing"  // something that may be different each time
)

// Lasting reports whether the input can ever be seen again as it was.
func (in Input) Lasting() bool { return in.Kind != passingInput }

// inputs collect what was looked at, each thing once. A nil one collects
// nothing.
type inputs struct {
	mu   sync.Mutex
	seen map[inputKey]bool
	list []Input
	said []string // what trace and warn wrote
}

type inputKey struct {
	kind         InputKind
	name, digest string
}

func (i *inputs) add(in Input) {
	k := inputKey{in.Kind, in.Name, in.Digest}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.seen[k] {
		return
	}
	if i.seen == nil {
		i.seen = map[inputKey]bool{}
	}
	i.seen[k] = true
	i.list = append(i.list, in)
}

func (i *inputs) say(line string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.said = append(i.said, line)
}

// inputsHere are those of the host, while what belongs to it alone is
// evaluated; what is shared may be used by any host, so what it depends on
// counts for all. This follows the regions: see heap.go.
func (th *thread) inputsHere() *inputs {
	switch {
	case !th.ev.opts.Record:
		return nil
	case th.heap == &th.own:
		return &th.inputs
	}
	return &th.ev.inputs
}

// saw records an input.
func (th *thread) saw(kind InputKind, name, digest string) {
	if i := th.inputsHere(); i != nil {
		i.add(Input{Kind: kind, Name: name, Digest: digest})
	}
}

// Shared returns what everything evaluated so far may depend on, and what was
// traced meanwhile; see [Host] for what belongs to one host. Only an Evaluator
// made with Options.Record knows.
func (ev *Evaluator) Shared() (inputs []Input, said []string) {
	ev.inputs.mu.Lock()
	defer ev.inputs.mu.Unlock()
	return slices.Clone(ev.inputs.list), slices.Clone(ev.inputs.said)
}

// Part returns a function set: name: set.${name} for the parts of a program
// that Options.Parts has digests of: whoever needs such a part depends on it,
// and not on the others. It is evaluated for each host anew, as belonging to it.
func (ev *Evaluator) Part() Value {
	b := fn2("part", func(th *thread, set, name value) value {
		n := th.wantPlainString(name, 0)
		a := find(th.wantSet(set, 0), lookup(n))
		if a == nil {
			th.fail(0, "attribute '%s' missing", n)
		}
		if d, ok := ev.opts.Parts[n]; ok {
			th.saw(partInput, n, d)
		} else {
			th.saw(passingInput, n, "")
		}
		return th.force(th.copyThunk(a.v))
	})
	return Value{ev, b.value()}
}

// A Look compares inputs recorded once with what there is now. It looks at each
// thing once.
type Look struct {
	ev   *Evaluator
	seen map[inputKey]string
}

// Look begins to look at inputs: with the options of this Evaluator.
func (ev *Evaluator) Look() *Look { return &Look{ev: ev, seen: map[inputKey]string{}} }

// Same reports whether an evaluation would see the same again.
func (l *Look) Same(in Input) bool {
	if !in.Lasting() {
		return false
	}
	k := inputKey{kind: in.Kind, name: in.Name}
	if in.Omit != nil {
		k.digest = in.Digest // what is left out differs
	}
	now, ok := l.seen[k]
	if !ok {
		now = l.ev.look(in)
		l.seen[k] = now
	}
	return now == in.Digest && now != unreadable
}

// unreadable is the digest of what cannot be looked at.
const unreadable = "?"

// look returns the digest an input has now.
func (ev *Evaluator) look(in Input) string {
	switch in.Kind {
	case importInput:
		if _, ok := coreFile(in.Name); ok {
			return "" // comes with muster
		}
		real, err := ev.resolveImport(in.Name)
		if err != nil {
			return unreadable
		}
		b, readErr := readFileOf(ev.world, ev.onDisk(real), maxFile)
		if readErr != nil {
			return unreadable
		}
		return ev.importDigest(real, b)
	case fileInput:
		b, err := readFileOf(ev.world, in.Name, maxFile)
		if err != nil {
			return unreadable
		}
		return digest(b)
	case dirInput:
		entries, err := ev.world.ReadDir(in.Name)
		if err != nil {
			return unreadable
		}
		return dirDigest(entries)
	case typeInput, targetInput:
		stat := ev.world.Lstat
		if in.Kind == targetInput {
			stat = ev.world.Stat
		}
		info, err := stat(in.Name)
		switch {
		case err == nil:
			return fileTypeValue(info.Mode()).str()
		case isMissing(err):
			return ""
		}
		return unreadable
	case treeInput, filteredInput:
		h, _, err := store.HashNAR(store.SHA256, ev.world, in.Name, func(p string, t store.FileType) (bool, error) {
			return in.Omit[p] != string(t), nil
		})
		if err != nil {
			return unreadable
		}
		return h.SRI()
	case envInput:
		return digest([]byte(ev.world.Getenv(in.Name)))
	case partInput:
		if d, ok := ev.opts.Parts[in.Name]; ok {
			return d
		}
	}
	return unreadable
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// importDigest is of a file's content, and of where it is: names in it are
// relative to that.
func (ev *Evaluator) importDigest(real string, content []byte) string {
	return digest(fmt.Appendf(nil, "%s\x00%s", ev.onDisk(real), content))
}

func dirDigest(entries []fs.DirEntry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s/%s\x00", fileTypeValue(e.Type()).str(), e.Name())
	}
	return digest([]byte(b.String()))
}

// isMissing reports whether an error says that there is nothing at a path.
func isMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// sawFiltered records a tree of which a filter left out paths.
func (th *thread) sawFiltered(src Source, h store.Hash) {
	i := th.inputsHere()
	if i == nil {
		return
	}
	in := Input{Kind: filteredInput, Name: src.File, Digest: h.SRI(), Omit: map[string]string{}}
	for p := range src.Omit {
		info, err := th.ev.world.Lstat(p)
		if err != nil {
			in.Kind = passingInput // went away meanwhile
			continue
		}
		in.Omit[p] = fileTypeValue(info.Mode()).str()
	}
	i.add(in)
}

// sawPlace records that a place in a source text was made a value: where that
// text is no file that was imported, its lines count from now on.
func (th *thread) sawPlace(p syntax.Pos) {
	if th.inputsHere() == nil {
		return
	}
	_, imported := th.ev.imported.Load(p.File())
	if _, core := coreFile(p.File()); imported || core {
		return
	}
	d, ok := th.ev.places.Load(p.File())
	if !ok {
		d, _ = th.ev.places.LoadOrStore(p.File(), th.ev.look(Input{Kind: fileInput, Name: p.File()}))
	}
	th.saw(fileInput, p.File(), d.(string))
}

func (th *thread) sawImport(p, digest string) {
	if th.inputsHere() == nil || digest == "" || th.ev.isText(p) {
		return
	}
	th.saw(importInput, th.ev.onDisk(p), digest)
}

func (th *thread) sawFile(p string, content []byte) {
	if th.inputsHere() == nil || th.ev.isText(p) {
		return
	}
	th.saw(fileInput, th.ev.onDisk(p), digest(content))
}

func (th *thread) sawDir(p string, entries []fs.DirEntry) {
	if th.inputsHere() != nil {
		th.saw(dirInput, th.ev.onDisk(p), dirDigest(entries))
	}
}

// sawType records what lstat or stat said of a path.
func (th *thread) sawType(kind InputKind, p string, info fs.FileInfo, err error) {
	switch {
	case th.inputsHere() == nil || th.ev.isText(p):
	case err == nil:
		th.saw(kind, th.ev.onDisk(p), fileTypeValue(info.Mode()).str())
	case isMissing(err):
		th.saw(kind, th.ev.onDisk(p), "")
	default:
		th.saw(kind, th.ev.onDisk(p), unreadable)
	}
}

// isText reports whether p is a text toFile made: its name is made of its
// content.
func (ev *Evaluator) isText(p string) bool {
	if !inside(p, store.Dir) {
		return false
	}
	s, ok := ev.Source(store.Path(p))
	return ok && s.File == ""
}

// sawFetched records what was fetched: what has a hash is the same as long as
// it is there, the rest may change.
func (th *thread) sawFetched(r FetchRequest, p store.Path) {
	if th.inputsHere() == nil {
		return
	}
	var pins struct{ SHA256, Hash, NarHash string }
	if json.Unmarshal([]byte(r.JSON), &pins) != nil || pins.SHA256+pins.Hash+pins.NarHash == "" {
		th.saw(passingInput, r.Fetcher, "")
		return
	}
	info, err := th.ev.world.Lstat(string(p))
	th.sawType(typeInput, string(p), info, err)
}
