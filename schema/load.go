package schema

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"

	"muster/exec/foreign"
)

// Options say how an inventory is loaded. The zero value is what muster vet
// does.
type Options struct {
	// Dir is the directory that file names in messages are relative to; ""
	// means the current directory.
	Dir string
	// Time is the CPU time that the evaluation of CUE may take; 0 means 7 s,
	// and more for many megabytes of text.
	Time time.Duration
	// Memory is the bytes of memory that it may take; 0 means 1400 MiB.
	Memory int64
	// Nix returns the error in a piece of Nix, or nil. The piece is an [Expr],
	// a [Template] or the condition of a [Mark]; if module is true it is the
	// text of a whole module. A nil Nix means that Nix is not checked.
	Nix func(v Value, module bool) *Error
	// Data reads the text of a Nix file, under its name in messages, that holds only data.
	// A nil Data means that there are no such files.
	Data func(name string, text []byte) (Value, *Error)
	// Texts are read instead of what files of these absolute names hold, to see what
	// an inventory would be.
	Texts map[string][]byte
	// Unpinned allows inputs that nothing pins.
	Unpinned bool
}

// dataFiles are the names of an inventory that is not written in CUE, in the
// order in which they are looked for.
var dataFiles = []string{"hosts.toml", "hosts.yaml", "hosts.yml", "hosts.json"}

// Load reads and checks the inventory at path: hosts.cue, hosts.toml,
// hosts.yaml, hosts.json, or a directory with one of them; "" is the current
// directory. An invalid inventory gives all its problems, as [Errors]. Any other
// error means that there was nothing to check, such as a missing file.
func Load(ctx context.Context, path string, opts Options) (*Fleet, error) {
	l, err := newLoader(path, opts)
	if err != nil {
		return nil, err
	}
	if l.read(ctx) {
		l.check()
	}
	if len(l.report.list.Invalid()) > 0 {
		l.valueOnNextLine()
	}
	l.report.list = l.report.list.sorted()
	if len(l.report.list.Invalid()) > 0 {
		return nil, l.report.list
	}
	l.fleet.Warnings = l.report.list
	return l.fleet, nil
}

// A loader turns the text of one inventory into a [Fleet].
type loader struct {
	report     *report
	fleet      *Fleet
	base       string // directory that file names in messages are relative to
	file       string // absolute name of the file to read, or of the first of the package
	root       string // root of the directory tree of the inventory
	tree       *node
	limits     limits
	pinned     []PinnedMachine // that are made, of the file pinnedFile in messages
	pinnedFile string
	texts      map[string][]byte // read instead of files
	named      bool              // the user named the file itself, not its directory
	nix        func(v Value, module bool) *Error
	data       func(name string, text []byte) (Value, *Error)

	unpinned bool // inputs need no pin
}

// newLoader finds the file to read first.
func newLoader(path string, opts Options) (*loader, error) {
	base, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, fmt.Errorf("load inventory %s: %w", path, err)
	}
	file := path
	if !filepath.IsAbs(file) {
		file = filepath.Join(base, file)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("load inventory %s: %w", cmp.Or(path, "."), bare(err))
	}
	l := &loader{report: new(report), base: base, file: file, limits: limits{time: opts.Time, memory: opts.Memory}, nix: opts.Nix, data: opts.Data, texts: opts.Texts, unpinned: opts.Unpinned}
	l.named = !info.IsDir()
	if info.IsDir() {
		if l.file, err = findInventory(file); err != nil {
			return nil, fmt.Errorf("load inventory %s: %w", cmp.Or(path, "."), err)
		}
	}
	l.fleet = &Fleet{Dir: filepath.Dir(l.file)}
	l.root = moduleRoot(l.fleet.Dir)
	return l, nil
}

// bare returns a file error without operation and path.
func bare(err error) error {
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		return pe.Err
	}
	if refused := (*foreign.RefusedError)(nil); errors.As(err, &refused) {
		return errors.New(refused.Why)
	}
	return err
}

// Find returns the file that an inventory at a path is read from first and whether it
// is there: for a directory without one, hosts.cue.
func Find(path string) (name string, there bool, err error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && filepath.Ext(path) != "":
		return path, false, nil
	case err != nil:
		return "", false, fmt.Errorf("find inventory %s: %w", path, bare(err))
	case !info.IsDir():
		return path, true, nil
	}
	name, err = findInventory(path)
	if errors.Is(err, errNone) {
		return filepath.Join(path, "hosts.cue"), false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("find inventory %s: %w", path, err)
	}
	return name, true, nil
}

// errNone says that a directory has no inventory.
var errNone = errors.New("no inventory in it")

// findInventory returns the file of a directory to read first.
func findInventory(dir string) (string, error) {
	if name := filepath.Join(dir, "hosts.cue"); isFile(name) {
		return name, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", bare(err)
	}
	first, pkg := "", ""
	for _, e := range entries {
		n := e.Name()
		if !strings.HasSuffix(n, ".cue") || strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") || e.IsDir() {
			continue
		}
		name := filepath.Join(dir, n)
		switch p := packageOf(name); {
		case first == "":
			first, pkg = name, p
		case p != pkg:
			return "", fmt.Errorf("%s and %s belong to different packages: name one of them", filepath.Base(first), n)
		}
	}
	if first != "" {
		return first, nil
	}
	for _, n := range dataFiles {
		if name := filepath.Join(dir, n); isFile(name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("%w: want hosts.cue, another CUE file, %s", errNone, anyOf(dataFiles))
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

// moduleRoot returns dir or its nearest parent that has a cue.mod; without one,
// dir.
func moduleRoot(dir string) string {
	for d := dir; ; d = filepath.Dir(d) {
		if info, err := os.Stat(filepath.Join(d, "cue.mod")); err == nil && info.IsDir() {
			return d
		}
		if d == filepath.Dir(d) {
			return dir
		}
	}
}

// show returns a file's name as the user would write it.
func (l *loader) show(name string) string {
	if rel, err := filepath.Rel(l.base, name); err == nil && (len(rel) < len(name) || !strings.HasPrefix(rel, "../../")) {
		return rel
	}
	return name
}

// dirOf returns the directory of the file that a position is in.
func (l *loader) dirOf(p Pos) string {
	if p.File == "" {
		return l.fleet.Dir
	}
	if filepath.IsAbs(p.File) {
		return filepath.Dir(p.File)
	}
	return filepath.Dir(filepath.Join(l.base, p.File))
}

// read turns the inventory's text into a tree and reports whether there is one to
// check.
func (l *loader) read(ctx context.Context) bool {
	if filepath.Ext(l.file) == ".cue" {
		l.tree = l.readCUE(ctx)
	} else {
		l.tree = l.readData()
	}
	if l.tree != nil {
		l.expandHosts(ctx)
		l.addProvisioned()
	}
	return l.tree != nil
}

func (l *loader) readData() *node {
	name := l.show(l.file)
	l.fleet.Files = []string{l.file}
	data, err := readText(l.file, l.texts)
	if err != nil {
		l.report.add(Pos{File: name, Line: 1, Col: 1}, "", "file", "cannot be read: %v", bare(err)).Hint = permissionMend(err)
		return nil
	}
	s := newSource(name, bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), l.report)
	if s == nil {
		return nil
	}
	switch ext := filepath.Ext(l.file); ext {
	case ".toml":
		return readTOML(s, l.report)
	case ".json":
		return readJSON(s, l.report)
	case ".yaml", ".yml":
		return readYAML(s, l.report)
	default:
		l.otherFile(s, ext)
		return nil
	}
}

// readLimited reads a file of the user's.
func readLimited(name string) ([]byte, error) {
	return foreign.ReadFile(name, foreign.Limits{Size: MaxFileSize, Time: foreign.Time, Links: true, Null: true})
}

// readText is readLimited with texts instead of files.
func readText(name string, texts map[string][]byte) ([]byte, error) {
	if text, ok := texts[name]; ok {
		return text, nil
	}
	return readLimited(name)
}

// readCUE reads the package that the file belongs to, or only the file if it
// names no package.
func (l *loader) readCUE(ctx context.Context) *node {
	c := &cueReader{root: l.root, dir: l.fleet.Dir, report: l.report, show: l.show, main: l.file, limits: l.limits, given: l.texts}
	pkg := packageOf(l.file)
	args := []string{"."}
	if pkg == "" {
		args = []string{"./" + filepath.Base(l.file)}
	}
	tree := c.read(ctx, args, pkg)
	l.fleet.Files = c.files
	if !slices.Contains(l.fleet.Files, l.file) {
		l.fleet.Files = append([]string{l.file}, l.fleet.Files...)
	}
	return tree
}

// packageOf returns the package that a CUE file names, or "".
func packageOf(name string) string {
	data, err := readLimited(name)
	if err != nil {
		return ""
	}
	f, _ := parser.ParseFile(name, data, parser.PackageClauseOnly)
	if f == nil {
		return ""
	}
	for _, d := range f.Decls {
		if p, ok := d.(*ast.Package); ok && p.Name != nil && p.Name.Name != "_" {
			return p.Name.Name
		}
	}
	return ""
}

// consequential are the rules that an inventory may seem to break because a part
// of it could not be read.
var consequential = map[string]bool{
	"missing-field": true, "undefined-host": true, "undefined-role": true, "no-kluster": true, "etcd": true, "master": true, "selector": true,
}

// check compares the tree with schema.cue, decodes it and checks the rules about
// the whole fleet.
func (l *loader) check() {
	incomplete := l.tree.kind == badKind || slices.ContainsFunc(l.report.list, func(e *Error) bool { return e.Rule == "syntax" || e.Rule == "cue" })
	if incomplete {
		// What is missing may be in the part that was not read.
		defer func() {
			l.report.list = slices.DeleteFunc(l.report.list, func(e *Error) bool { return e.Severity == Warning || consequential[e.Rule] })
		}()
	}
	inventoryShape().check(l.tree, "", l.report)
	d := &decoder{report: l.report, fleet: l.fleet, tree: l.tree, absDir: l.dirOf, show: l.show, pinned: l.pinned}
	d.decode()
	c := &checker{report: l.report, fleet: l.fleet, tree: l.tree, root: l.root, paths: d.values.paths, inputs: d.values.inputs, show: l.show, named: l.named, pinnedFile: l.pinnedFile, nix: l.nix, unpinned: l.unpinned}
	c.run()
}
