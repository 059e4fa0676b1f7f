package convert

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"muster/compile/syntax"
	"muster/exec/foreign"
)

// places finds where settings are made: a place that evaluation tells, or the binding of
// an option in the text of the file that sets it.
type places struct {
	source *Source
	root   string // of the flake's tree in the store
	hosts  []Node
	files  map[string]syntax.Expr
}

func (p *places) isHost(name string) bool {
	return slices.ContainsFunc(p.hosts, func(n Node) bool { return n.Name == name })
}

// of is where a host's setting is made, relative to the inventory; "" if it is not known,
// or nobody makes it.
func (p *places) of(host string, s *Setting) string {
	if s.At != "" || !s.Set {
		return p.shown(s.At)
	}
	path := strings.Split(s.Name, ".")
	for _, name := range slices.Concat(s.Files, p.source.Files, p.flakeFile()) {
		if name = p.inTree(name); !isFile(name) {
			name = filepath.Join(name, "default.nix") // which a directory stands for
		}
		if !isFile(name) {
			continue
		}
		if at := p.find(name, host, path); at.IsValid() {
			return p.shown(name + ":" + strconv.Itoa(int(at.Line)) + ":" + strconv.Itoa(int(at.Col)))
		}
	}
	for _, name := range s.Files {
		if filepath.IsAbs(name) {
			return p.shown(name)
		}
	}
	return ""
}

// flakeFile is the flake.nix of a flake in a directory.
func (p *places) flakeFile() []string {
	if !strings.HasPrefix(p.source.Here, ".") {
		return nil
	}
	return []string{filepath.Join(p.source.Dir, p.source.Here, "flake.nix")}
}

// inTree is where a file of the flake's tree in the store is in the flake's directory.
func (p *places) inTree(name string) string {
	rest, ok := strings.CutPrefix(name, p.root+"/")
	if !ok || p.root == "" || !strings.HasPrefix(p.source.Here, ".") {
		return name
	}
	return filepath.Join(p.source.Dir, p.source.Here, rest)
}

// shown is a place relative to the inventory.
func (p *places) shown(at string) string {
	if at == "" {
		return ""
	}
	at = p.inTree(at)
	if rest, ok := strings.CutPrefix(at, p.root+"/"); ok && p.root != "" {
		return rest
	}
	if rel, err := filepath.Rel(p.source.Dir, at); err == nil && filepath.IsAbs(at) && !strings.HasPrefix(rel, "../../") {
		return rel
	}
	return at
}

// find is the binding of an option in a file: in what is bound to the host's name, or
// else the first that is not in what is bound to another host's.
func (p *places) find(name, host string, path []string) syntax.Pos {
	e := p.parse(name)
	if e == nil {
		return syntax.Pos{}
	}
	var first, shared, own syntax.Pos
	eachBinding(e, nil, func(names []string, at syntax.Pos) {
		for most := len(path); most > 1; most-- {
			if len(names) >= most && slices.Equal(names[len(names)-most:], path[:most]) {
				if !first.IsValid() {
					first = at
				}
				within := names[:len(names)-most]
				if !shared.IsValid() && !slices.ContainsFunc(within, p.isHost) {
					shared = at
				}
				if !own.IsValid() && slices.Contains(within, host) {
					own = at
				}
			}
		}
	})
	for _, at := range []syntax.Pos{own, shared} {
		if at.IsValid() {
			return at
		}
	}
	return first
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func (p *places) parse(name string) syntax.Expr {
	if e, ok := p.files[name]; ok {
		return e
	}
	if p.files == nil {
		p.files = map[string]syntax.Expr{}
	}
	p.files[name] = nil
	text, err := foreign.ReadFile(name, foreign.Limits{Size: 1 << 24, Time: foreign.Time, Links: true})
	if err != nil {
		return nil
	}
	if f, err := syntax.ParseFile(name, text, syntax.Options{}); err == nil {
		p.files[name] = f.Expr
	}
	return p.files[name]
}

// eachBinding calls f for the bindings of an expression, with all names that lead there.
func eachBinding(e syntax.Expr, outer []string, f func(names []string, at syntax.Pos)) {
	syntax.Walk(e, func(e syntax.Expr) bool {
		set, ok := e.(*syntax.Attrs)
		if !ok {
			return true
		}
		for _, b := range set.Bindings {
			a, ok := b.(*syntax.Attr)
			if !ok {
				continue
			}
			names := slices.Clone(outer)
			for _, n := range a.Path {
				names = append(names, n.Name)
				f(names, n.At)
			}
			eachBinding(a.Value, names, f)
		}
		return false
	})
}
