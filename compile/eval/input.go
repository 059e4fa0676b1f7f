package eval

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"
	"unicode/utf8"

	"muster/compile/flake"
	"muster/compile/store"
	"muster/compile/syntax"
)

// This file serves caches of evaluations: it records everything outside the
// program that an evaluation read, and checks later whether an evaluation would
// read the same again.

// An Input is one thing that an evaluation depended on, such as the content of
// a file. It is stored as JSON.
type Input struct {
	Kind   InputKind
	Tree   string            `json:",omitempty"` // the tree that Name is in, "" for a path on disk; see tree.go
	Name   string            // a path, a variable's name, …
	Digest string            // of what was read
	Omit   map[string]string `json:",omitempty"` // of a filteredInput: the type of each path that the filter refused
}

// An InputKind says what was read.
type InputKind string

const (
	importInput    InputKind = "import"    // the path and the content of the file that import found
	fileInput      InputKind = "file"      // a file's content
	dirInput       InputKind = "dir"       // the names and types in a directory
	typeInput      InputKind = "type"      // the type of a path, "" if there is nothing
	targetInput    InputKind = "target"    // the same after following links
	treeInput      InputKind = "tree"      // a file or directory with all its content
	filteredInput  InputKind = "filtered"  // the same without the paths that a filter refused
	envInput       InputKind = "env"       // an environment variable
	cwdInput       InputKind = "cwd"       // the working directory
	partInput      InputKind = "part"      // a part of the program; see [Evaluator.Part]
	fetchedInput   InputKind = "fetched"   // everything that is in a directory or working tree of this machine
	attributeInput InputKind = "attribute" // an attribute of such a tree, such as its revision
	volatileInput  InputKind = "volatile"  // something that may differ each time
)

// inputJSON is an Input in JSON, which holds UTF-8 only, while names of files are
// bytes.
type inputJSON struct {
	Kind   InputKind
	Tree   exactText `json:",omitempty"`
	Name   exactText
	Digest string
	Omit   map[exactText]string `json:",omitempty"`
}

// MarshalJSON writes an input without loss.
func (in Input) MarshalJSON() ([]byte, error) {
	j := inputJSON{Kind: in.Kind, Tree: exactText(in.Tree), Name: exactText(in.Name), Digest: in.Digest}
	if len(in.Omit) > 0 {
		j.Omit = make(map[exactText]string, len(in.Omit))
	}
	for name, kind := range in.Omit {
		j.Omit[exactText(name)] = kind
	}
	return json.Marshal(j)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (in *Input) UnmarshalJSON(b []byte) error {
	var j inputJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*in = Input{Kind: j.Kind, Tree: string(j.Tree), Name: string(j.Name), Digest: j.Digest}
	if len(j.Omit) > 0 {
		in.Omit = make(map[string]string, len(j.Omit))
	}
	for name, kind := range j.Omit {
		in.Omit[string(name)] = kind
	}
	return nil
}

// An exactText is a string of any bytes. In JSON, one that is not UTF-8 is in base 64
// behind a NUL byte, which no name of a file contains.
type exactText string

// MarshalText implements [encoding.TextMarshaler].
func (t exactText) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(t)) && !strings.HasPrefix(string(t), "\x00") {
		return []byte(t), nil
	}
	return []byte("\x00" + base64.StdEncoding.EncodeToString([]byte(t))), nil
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *exactText) UnmarshalText(b []byte) error {
	encoded, ok := strings.CutPrefix(string(b), "\x00")
	if !ok {
		*t = exactText(b)
		return nil
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	*t = exactText(raw)
	return err
}

// Lasting reports whether an evaluation can ever read the same again.
func (in Input) Lasting() bool { return in.Kind != volatileInput }

// inputs collects inputs, each once.
type inputs struct {
	mu   sync.Mutex
	seen map[inputKey]bool
	list []Input
	said []string // lines of trace and warn
}

type inputKey struct {
	kind               InputKind
	tree, name, digest string
}

func (i *inputs) add(in Input) {
	k := inputKey{in.Kind, in.Tree, in.Name, in.Digest}
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

// inputsHere returns the inputs to add to, nil if none are recorded. What is
// evaluated in the region of a host belongs to the host; what is shared may be
// used by any host, so its inputs count for all of them. See heap.go for
// regions.
func (th *thread) inputsHere() *inputs {
	switch {
	case !th.ev.opts.Record:
		return nil
	case th.heap == &th.own:
		return &th.inputs
	}
	return &th.ev.inputs
}

// record adds an input.
func (th *thread) record(kind InputKind, name, digest string) {
	if i := th.inputsHere(); i != nil {
		i.add(Input{Kind: kind, Name: name, Digest: digest})
	}
}

// Shared returns what everything evaluated so far may depend on, and what was
// traced, except what belongs to a single host (see [Host]). It returns no inputs
// without Options.Record.
func (ev *Evaluator) Shared() (inputs []Input, said []string) {
	ev.inputs.mu.Lock()
	defer ev.inputs.mu.Unlock()
	return slices.Clone(ev.inputs.list), slices.Clone(ev.inputs.said)
}

// Part returns a function set: name: set.${name}. It selects parts of a program
// whose digests are in Options.Parts: whoever selects a part depends on that
// part, and not on the others. The part is evaluated anew for each host and
// belongs to the host.
func (ev *Evaluator) Part() Value {
	b := fn2("part", func(th *thread, set, name value) value {
		n := th.wantPlainString(name, 0)
		a := find(th.wantSet(set, 0), lookup(n))
		if a == nil {
			th.fail(0, "attribute '%s' missing", n)
		}
		if d, ok := ev.opts.Parts[n]; ok {
			th.record(partInput, n, d)
		} else {
			th.record(volatileInput, n, "")
		}
		return th.force(th.copyThunk(a.v))
	})
	return Value{ev, b.value()}
}

// A Look compares recorded inputs with the present. It reads each thing once.
type Look struct {
	ev    *Evaluator
	seen  map[inputKey]string
	trees map[string]*Fetched // by request; nil for what cannot be fetched
}

// Look returns a Look with the options of this Evaluator.
func (ev *Evaluator) Look() *Look {
	return &Look{ev: ev, seen: map[inputKey]string{}, trees: map[string]*Fetched{}}
}

// Same reports whether an evaluation would read the same again.
func (l *Look) Same(in Input) bool {
	if !in.Lasting() {
		return false
	}
	k := inputKey{kind: in.Kind, tree: in.Tree, name: in.Name}
	if in.Omit != nil {
		k.digest = in.Digest // each filter refuses other paths
	}
	now, ok := l.seen[k]
	if !ok {
		now = l.look(in)
		l.seen[k] = now
	}
	return now == in.Digest && now != unreadable
}

// unreadable is the digest of what cannot be read.
const unreadable = "?"

// look returns the present digest of an input.
func (l *Look) look(in Input) string {
	switch {
	case in.Kind == fetchedInput:
		if t := l.tree(in.Name); t != nil {
			return fetchedDigest(*t)
		}
		return unreadable
	case in.Tree == "":
		return l.ev.look(in, in.Name)
	}
	t := l.tree(in.Tree)
	if t == nil {
		return unreadable
	}
	if in.Kind == attributeInput {
		return attributeDigest(*t, in.Name)
	}
	return l.ev.look(in, string(t.Path)+in.Name)
}

// tree fetches a tree again, once.
func (l *Look) tree(request string) *Fetched {
	got, ok := l.trees[request]
	if !ok {
		var r FetchRequest
		if json.Unmarshal([]byte(request), &r) == nil {
			got = l.ev.fetchAgain(r)
		}
		l.trees[request] = got
	}
	return got
}

// look returns the present digest of an input that has a path now, if it has one.
func (ev *Evaluator) look(in Input, p string) string {
	switch in.Kind {
	case importInput:
		if _, ok := coreFile(p); ok {
			return "" // part of this program
		}
		// The evaluation that is compared with was allowed to read the path, often
		// because of a tree that it had fetched. Here, nothing is fetched for that.
		real, err := ev.resolveImport(p, func(string) *Error { return nil })
		if err != nil {
			return unreadable
		}
		h := ev.importHash(real)
		if digestOf(ev.world, ev.onDisk(real), h) != nil {
			return unreadable
		}
		return shortDigest(h.Sum(nil))
	case fileInput:
		h := sha256.New()
		if digestOf(ev.world, ev.onDisk(p), h) != nil {
			return unreadable
		}
		return shortDigest(h.Sum(nil))
	case dirInput:
		entries, err := ev.world.ReadDir(ev.onDisk(p))
		if err != nil {
			return unreadable
		}
		return dirDigest(entries)
	case typeInput, targetInput:
		stat := ev.world.Lstat
		if in.Kind == targetInput {
			stat = ev.world.Stat
		}
		info, err := stat(ev.onDisk(p))
		switch {
		case err == nil:
			return fileTypeValue(info.Mode()).str()
		case isMissing(err):
			return ""
		}
		return unreadable
	case treeInput, filteredInput:
		dir := ev.onDisk(p)
		root := strings.TrimSuffix(dir, in.Name) // of the tree; Omit has paths below it
		if in.Tree == "" {
			root = ""
		}
		h, _, err := store.HashNAR(store.SHA256, ev.world, dir, func(p string, t store.FileType) (bool, error) {
			return in.Omit[strings.TrimPrefix(p, root)] != string(t), nil
		})
		if err != nil {
			return unreadable
		}
		return h.SRI()
	case envInput:
		return digest([]byte(ev.world.Getenv(in.Name)))
	case cwdInput:
		return ev.workingDirectory()
	case partInput:
		if d, ok := ev.opts.Parts[in.Name]; ok {
			return d
		}
	}
	return unreadable
}

// workingDirectory returns the digest of the working directory.
func (ev *Evaluator) workingDirectory() string {
	dir, err := ev.world.Abs(".")
	if err != nil {
		return unreadable
	}
	return digest([]byte(dir))
}

// recordRelative records that the meaning of a path depends on the working directory,
// if it does.
func (th *thread) recordRelative(p string) {
	if th.inputsHere() != nil && !strings.HasPrefix(p, "/") {
		th.record(cwdInput, "", th.ev.workingDirectory())
	}
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return shortDigest(sum[:])
}

// shortDigest is the digest that is recorded of a SHA-256 hash.
func shortDigest(sum []byte) string { return hex.EncodeToString(sum[:16]) }

// importDigest returns the digest of a file's content and path: relative paths
// in the file depend on the path.
func (ev *Evaluator) importDigest(real string, content []byte) string {
	h := ev.importHash(real)
	h.Write(content)
	return shortDigest(h.Sum(nil))
}

// importHash is the hash of importDigest before the content.
func (ev *Evaluator) importHash(real string) hash.Hash {
	h := sha256.New()
	tree, name := ev.nameOf(real)
	fmt.Fprintf(h, "%s\x00%s\x00", tree, name)
	return h
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

// recordFiltered records the tree at a path without the paths that a filter refused.
func (th *thread) recordFiltered(at string, src Source, h store.Hash) {
	i := th.inputsHere()
	if i == nil {
		return
	}
	in := Input{Kind: filteredInput, Digest: h.SRI(), Omit: map[string]string{}}
	in.Tree, in.Name = th.ev.nameOf(at)
	root := ""
	if in.Tree != "" {
		root = strings.TrimSuffix(src.File, in.Name)
	}
	for p := range src.Omit {
		info, err := th.ev.world.Lstat(p)
		if err != nil {
			in.Kind = volatileInput // removed meanwhile
			continue
		}
		in.Omit[strings.TrimPrefix(p, root)] = fileTypeValue(info.Mode()).str()
	}
	i.add(in)
}

// recordPosition records that the program reads a position as a value. If the
// text at the position is not an imported file, the program then depends on its
// line numbers.
func (th *thread) recordPosition(p syntax.Pos) {
	if th.inputsHere() == nil {
		return
	}
	_, imported := th.ev.imported.Load(p.File())
	if _, core := coreFile(p.File()); imported || core {
		return
	}
	th.recordRelative(p.File()) // the program sees the name of the file
	d, ok := th.ev.places.Load(p.File())
	if !ok {
		d, _ = th.ev.places.LoadOrStore(p.File(), th.ev.look(Input{Kind: fileInput}, p.File()))
	}
	th.recordAt(fileInput, p.File(), d.(string))
}

func (th *thread) recordImport(p, digest string) {
	if th.inputsHere() == nil || digest == "" || th.ev.isText(p) {
		return
	}
	th.recordAt(importInput, p, digest)
}

func (th *thread) recordFile(p string, content []byte) {
	if th.inputsHere() == nil || th.ev.isText(p) {
		return
	}
	th.recordAt(fileInput, p, digest(content))
}

func (th *thread) recordDir(p string, entries []fs.DirEntry) {
	if th.inputsHere() != nil {
		th.recordAt(dirInput, p, dirDigest(entries))
	}
}

// recordType records the result of lstat or stat of a path.
func (th *thread) recordType(kind InputKind, p string, info fs.FileInfo, err error) {
	switch {
	case th.inputsHere() == nil || th.ev.isText(p):
	case err == nil:
		th.recordAt(kind, p, fileTypeValue(info.Mode()).str())
	case isMissing(err):
		th.recordAt(kind, p, "")
	default:
		th.recordAt(kind, p, unreadable)
	}
}

// isText reports whether p is a text made by toFile. Such texts are not
// recorded: their names depend on their content.
func (ev *Evaluator) isText(p string) bool {
	if !inside(p, store.Dir) {
		return false
	}
	s, ok := ev.Source(store.Path(p))
	return ok && s.File == ""
}

// attributeDigest is the digest of an attribute of what was fetched, "" if it has none.
func attributeDigest(f Fetched, name string) string {
	a, err := flake.ParseAttrs([]byte(f.JSON))
	if err != nil || !a.Has(name) {
		return ""
	}
	return digest([]byte(flake.Attrs{name: a[name]}.JSON()))
}

// fetchedDigest is the digest of what was fetched.
func fetchedDigest(f Fetched) string {
	return digest([]byte(string(f.Path) + "\x00" + f.Dir + "\x00" + f.JSON))
}

// recordFetched records a fetch. With a hash, it only depends on the path's
// existence; without, on the outside world. What is read of a tree of this machine is
// recorded when it is read.
func (th *thread) recordFetched(r FetchRequest, f Fetched) {
	if th.inputsHere() == nil {
		return
	}
	th.observe(r.JSON)
	if f.Path != "" {
		th.ev.addTree(r, f)
	}
	var pins struct{ SHA256, Hash, NarHash string }
	switch err := json.Unmarshal([]byte(r.JSON), &pins); {
	case err == nil && pins.SHA256+pins.Hash+pins.NarHash != "":
		info, err := th.ev.lstat(string(f.Path))
		th.recordType(typeInput, string(f.Path), info, err)
	case f.Path == "" || !isUnpinned(r):
		th.record(volatileInput, r.Fetcher, "")
	}
}
