package flake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

// A Lock is flake.lock: what each input is pinned to.
type Lock struct{ Root *Node }

// A Node is an input in a Lock, or the flake itself, which has no references.
type Node struct {
	Inputs   map[string]Edge
	Original Ref // as the flake spells it
	Locked   Ref // as it is pinned
	NotFlake bool
	Parent   []string // of a relative path: the input whose tree holds it; nil if it is not relative
}

// An Edge leads to an input: to a node of its own or, if Node is nil, to the input at the path Follows from the root.
// An empty path leads to the root.
type Edge struct {
	Node    *Node
	Follows []string
}

// maxNodes and maxLockDepth bound what is made of a lock file.
const (
	maxNodes     = 100_000
	maxLockDepth = 1000
)

// EmptyLock is the lock of a flake without a lock file.
func EmptyLock() *Lock { return &Lock{Root: &Node{Inputs: map[string]Edge{}}} }

type lockText struct {
	Version float64                  `json:"version"`
	Root    *string                  `json:"root"`
	Nodes   map[string]*lockNodeText `json:"nodes"`
}

type lockNodeText struct {
	Inputs   map[string]json.RawMessage `json:"inputs"`
	Info     map[string]any             `json:"info"` // of version 5
	Locked   map[string]any             `json:"locked"`
	Original map[string]any             `json:"original"`
	Flake    *bool                      `json:"flake"`
	Parent   *[]string                  `json:"parent"`
}

// ParseLock parses a lock file of the versions 5 to 7.
func ParseLock(name string, text []byte) (*Lock, error) {
	var raw lockText
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err := d.Decode(&raw)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = &json.SyntaxError{Offset: d.InputOffset()}
		}
	}
	if err != nil {
		return nil, lockError(name, text, err)
	}
	if version := math.Trunc(raw.Version); version < 5 || version > 7 {
		return nil, fmt.Errorf("lock file '%s' has unsupported version %.0f", name, version)
	}
	// Nix takes a lock without its root for one that locks nothing; it is more likely a damaged one.
	if raw.Root == nil || raw.Nodes[*raw.Root] == nil {
		return nil, fmt.Errorf("lock file '%s' has no root node", name)
	}
	if len(raw.Nodes) > maxNodes {
		return nil, fmt.Errorf("lock file '%s' has more than %d nodes", name, maxNodes)
	}
	p := lockParser{raw: raw, made: map[string]*Node{}}
	root := &Node{}
	p.made[*raw.Root] = root
	if err := p.inputs(root, raw.Nodes[*raw.Root], 0); err != nil {
		return nil, fmt.Errorf("lock file '%s': %w", name, err)
	}
	return &Lock{Root: root}, nil
}

// lockError says where a text stops being the JSON of a lock file, and names the usual reason.
func lockError(name string, text []byte, err error) error {
	why, offset := err.Error(), int64(len(text))
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = max(syntax.Offset-1, 0)
		if why = syntax.Error(); why == "" {
			why = "text after the end"
			for offset < int64(len(text))-1 && strings.IndexByte(" \t\r\n", text[offset]) >= 0 {
				offset++
			}
		}
	case errors.As(err, &kind):
		offset = max(kind.Offset-1, 0)
		why = fmt.Sprintf("%s is not what belongs in %s", kind.Value, kind.Field)
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		why = "the text ends too early"
	}
	before := text[:min(offset, int64(len(text)))]
	line := bytes.Count(before, []byte("\n")) + 1
	column := len(before) - bytes.LastIndexByte(before, '\n')
	if rest := text[len(before)-column+1:]; bytes.HasPrefix(rest, []byte("<<<<<<< ")) || bytes.HasPrefix(rest, []byte("=======")) || bytes.HasPrefix(rest, []byte(">>>>>>> ")) {
		why = "a merge conflict is left in the file: resolve it, or lock again"
	}
	return fmt.Errorf("%s:%d:%d: read the lock file: %s", name, line, column, why)
}

// A lockParser makes nodes of the text of a lock file, each once.
type lockParser struct {
	raw  lockText
	made map[string]*Node
}

func (p *lockParser) inputs(n *Node, text *lockNodeText, depth int) error {
	if depth > maxLockDepth {
		return fmt.Errorf("inputs are nested more than %d deep", maxLockDepth)
	}
	n.Inputs = map[string]Edge{}
	for _, name := range slices.Sorted(maps.Keys(text.Inputs)) {
		var edge Edge
		var key string
		if err := json.Unmarshal(text.Inputs[name], &edge.Follows); err != nil || edge.Follows == nil {
			if err := json.Unmarshal(text.Inputs[name], &key); err != nil {
				return fmt.Errorf("input '%s' is neither the name of a node nor a path to one", name)
			}
			var err error
			if edge.Node, err = p.node(key, depth+1); err != nil {
				return err
			}
		}
		n.Inputs[name] = edge
	}
	return nil
}

func (p *lockParser) node(key string, depth int) (*Node, error) {
	if key == *p.raw.Root {
		return nil, errors.New("lock file contains cycle to root node")
	}
	if n := p.made[key]; n != nil {
		return n, nil
	}
	text := p.raw.Nodes[key]
	if text == nil {
		return nil, fmt.Errorf("lock file references missing node '%s'", key)
	}
	n := &Node{NotFlake: text.Flake != nil && !*text.Flake}
	var err error
	if n.Locked, err = lockRef("locked", text.Locked, text.Info); err != nil {
		return nil, fmt.Errorf("node '%s': %w", key, err)
	}
	if n.Original, err = lockRef("original", text.Original, nil); err != nil {
		return nil, fmt.Errorf("node '%s': %w", key, err)
	}
	if text.Parent != nil {
		n.Parent = append([]string{}, *text.Parent...)
	}
	if _, relative := n.Locked.Attrs.Relative(); !relative && !n.Locked.Attrs.Locked() && !n.Locked.Attrs.Has("narHash") {
		return nil, fmt.Errorf("node '%s': Lock file contains unlocked input '%s'", key, n.Locked.Flat().JSON())
	}
	p.made[key] = n
	return n, p.inputs(n, text, depth)
}

func lockRef(what string, raw, info map[string]any) (Ref, error) {
	if raw == nil {
		return Ref{}, fmt.Errorf("attribute '%s' missing in lock file", what)
	}
	raw = maps.Clone(raw)
	maps.Copy(raw, info)
	a, err := attrsOf(raw)
	if err != nil {
		return Ref{}, err
	}
	return RefFromAttrs(a)
}

// Find returns the node at a path of input names from the root, nil if there is none.
func (l *Lock) Find(path []string) (*Node, error) {
	steps := maxNodes
	return l.find(path, nil, &steps)
}

// find follows a path that inputs at the paths visited have led to, in so many steps at most.
func (l *Lock) find(path []string, visited []string, steps *int) (*Node, error) {
	if *steps--; *steps < 0 {
		return nil, fmt.Errorf("input '%s' follows others in more than %d steps", PathString(path), maxNodes)
	}
	here := PathString(path)
	if i := slices.Index(visited, here); i >= 0 {
		return nil, fmt.Errorf("follow cycle detected: [%s]", strings.Join(append(visited[i:], here), " -> "))
	}
	visited = append(visited, here)
	n := l.Root
	for _, name := range path {
		edge, ok := n.Inputs[name]
		switch {
		case !ok:
			return nil, nil
		case edge.Node != nil:
			n = edge.Node
		default:
			var err error
			if n, err = l.find(edge.Follows, visited, steps); n == nil || err != nil {
				return nil, err
			}
		}
	}
	return n, nil
}

// PathString spells a path of input names.
func PathString(path []string) string { return strings.Join(path, "/") }

// check checks that every input which follows another leads somewhere.
func (l *Lock) check() error {
	done := map[*Node]bool{}
	var walk func(at []string, n *Node) error
	walk = func(at []string, n *Node) error {
		if done[n] {
			return nil
		}
		done[n] = true
		for _, name := range slices.Sorted(maps.Keys(n.Inputs)) {
			edge, here := n.Inputs[name], append(slices.Clip(at), name)
			if edge.Node != nil {
				if err := walk(here, edge.Node); err != nil {
					return err
				}
				continue
			}
			if len(edge.Follows) == 0 {
				continue
			}
			found, err := l.Find(edge.Follows)
			if err != nil {
				return err
			}
			if found == nil {
				return fmt.Errorf("input '%s' follows a non-existent input '%s'", PathString(here), PathString(edge.Follows))
			}
		}
		return nil
	}
	return walk(nil, l.Root)
}

// JSON returns the text of the lock file as Nix writes it, without a newline at its end, and the key of each node.
func (l *Lock) JSON() (text string, keys map[*Node]string) {
	keys = map[*Node]string{}
	taken := map[string]bool{}
	nodes := map[string]any{}
	var dump func(key string, n *Node) string
	dump = func(key string, n *Node) string {
		if k, ok := keys[n]; ok {
			return k
		}
		free := key
		for i := 2; taken[free]; i++ {
			free = fmt.Sprintf("%s_%d", key, i)
		}
		taken[free], keys[n] = true, free
		out := map[string]any{}
		inputs := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(n.Inputs)) {
			if edge := n.Inputs[name]; edge.Node != nil {
				inputs[name] = dump(name, edge.Node)
			} else {
				inputs[name] = append([]string{}, edge.Follows...)
			}
		}
		if len(inputs) > 0 {
			out["inputs"] = inputs
		}
		if n != l.Root {
			out["original"], out["locked"] = n.Original.Flat(), n.Locked.Flat()
			if n.NotFlake {
				out["flake"] = false
			}
			if n.Parent != nil {
				out["parent"] = n.Parent
			}
		}
		nodes[free] = out
		return free
	}
	root := dump("root", l.Root)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(map[string]any{"version": 7, "root": root, "nodes": nodes}); err != nil {
		panic(err) // texts, numbers, booleans, lists and maps have an encoding
	}
	return strings.TrimSuffix(b.String(), "\n"), keys
}
