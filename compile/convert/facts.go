package convert

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Facts are what a source says of its fleet: the result of [Source.Facts].
type Facts struct {
	About  []Setting // of the whole fleet
	Hosts  []Node
	Others []string // systems of the flake that are no host
	Beside []Output // other outputs of the flake that are deployed by somebody
	Root   string   // of the flake's tree in the store
	Broken []Broken // hosts that do not evaluate
}

// A Node is one host of the source.
type Node struct {
	Name      string
	Attr      []string // names from the flake's outputs to its system; nil for none
	Left      bool     // its system is no output of the flake
	Empty     bool     // it has no profiles
	Bare      bool     // it has profiles and no system
	System    string   // of those profiles
	At        string   // file:line:column
	HostName  string
	FQDN      string
	Addresses []string // with or without the length of a prefix
	Settings  []Setting
}

// An Output is an output of a flake that is not converted.
type Output struct {
	Name     string
	At       string // file:line:column
	Has      []string
	Deployer Kind // whose it is; "" for those that no NixOS system is of
}

// A Broken is a host whose settings cannot be evaluated.
type Broken struct{ Name, Why string }

// A Setting is an option or attribute of another deployer.
type Setting struct {
	Name   string
	Set    bool // by somebody, so that it is no default
	Failed bool // it does not evaluate
	Value  json.RawMessage
	Files  []string // that set it
	At     string   // file:line:column, where it is known
}

// Read decodes the result of [Source.Facts].
func Read(data string) (*Facts, error) {
	f := &Facts{}
	if err := json.Unmarshal([]byte(data), f); err != nil {
		return nil, fmt.Errorf("read what the source says of its hosts: %v", err)
	}
	slices.SortStableFunc(f.Hosts, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return f, nil
}

// Kind is the kind of a flake without an output of a deployer, by what its systems say.
func (f *Facts) Kind(given Kind) Kind {
	if given != Flake {
		return given
	}
	for _, h := range f.Hosts {
		for _, s := range h.Settings {
			switch {
			case strings.HasPrefix(s.Name, "nixinate."):
				return Nixinate
			case strings.HasPrefix(s.Name, "lollypops."):
				return Lollypops
			case strings.HasPrefix(s.Name, "clan."):
				return Clan
			}
		}
	}
	return given
}

// setting returns the setting of the name.
func (n *Node) setting(name string) *Setting {
	for i := range n.Settings {
		if n.Settings[i].Name == name {
			return &n.Settings[i]
		}
	}
	return nil
}

// into decodes the value, and reports whether it has that form.
func into[T any](s *Setting) (v T, ok bool) {
	if s == nil || len(s.Value) == 0 || string(s.Value) == "null" {
		return v, false
	}
	return v, json.Unmarshal(s.Value, &v) == nil
}
