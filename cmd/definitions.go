package cmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"muster/cmd/ui"
	"muster/compile"
	"muster/compile/definitions"
	"muster/compile/flake"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/schema"
)

// definitionsOf are those of hosts, by their names, with the versions that a lock file pins.
func definitionsOf(fleet *schema.Fleet, hosts []*schema.Host) map[string]*definitions.System {
	all := compile.Definitions(fleet, hosts)
	pins := lockedPins(fleet)
	for _, system := range all {
		for name, version := range pins {
			system.Pins[name] = version
		}
	}
	return all
}

// lockedPins are the versions of the inputs that the fleet's flake.lock pins.
func lockedPins(fleet *schema.Fleet) map[string]string {
	pins := map[string]string{}
	if fleet.Lock == nil {
		return pins
	}
	name := fleet.Lock.Path
	if !filepath.IsAbs(name) {
		name = filepath.Join(fleet.Dir, name)
	}
	text, err := foreign.ReadFile(name, foreign.Limits{Size: maxKnownSystems, Time: foreign.Time, Links: true})
	if err != nil {
		return pins
	}
	lock, err := flake.ParseLock(name, text)
	if err != nil {
		return pins // of another tool
	}
	for input, edge := range lock.Root.Inputs {
		if edge.Node == nil {
			continue
		}
		attrs := edge.Node.Locked.Attrs
		for _, attr := range []string{"rev", "narHash"} {
			if version := attrs.String(attr); version != "" {
				pins[input] = version
				break
			}
		}
	}
	return pins
}

// knownSystems says what the systems that were made here are made of. It is kept in the fleet's state, so that muster plan
// can compare with it; what has no entry is not known.
type knownSystems struct {
	Version int                            `json:"version"`
	Modules map[string]*definitions.Module `json:"modules"` // by names that only this file has
	Systems []knownSystem                  `json:"systems"` // the latest last

	places map[systemOfHost]int // of Systems, the latest of each
}

// A systemOfHost is one system that a host was given, by its name.
type systemOfHost struct {
	host string
	out  store.Path
}

// A knownSystem is one system that a host was given.
type knownSystem struct {
	Host    string            `json:"host"`
	Out     store.Path        `json:"out"`
	Time    time.Time         `json:"time"`
	Modules []string          `json:"modules"`
	Pins    map[string]string `json:"pins,omitempty"`
}

const (
	knownVersion    = 1
	maxKnownSystems = 64 << 20 // bytes
	keptSystems     = 6        // of each host
	knownName       = "systems.json"
)

// readKnownSystems reads those of a fleet. A file that cannot be read, or is of another version, says nothing.
func readKnownSystems(dir string) *knownSystems {
	none := &knownSystems{Version: knownVersion, Modules: map[string]*definitions.Module{}, places: map[systemOfHost]int{}}
	where := stateDir(dir, "options")
	if where == "" {
		return none
	}
	text, err := foreign.ReadFile(filepath.Join(where, knownName), foreign.Limits{Size: maxKnownSystems, Time: foreign.Time, Trusted: true})
	if err != nil {
		return none
	}
	var k knownSystems
	if json.Unmarshal(text, &k) != nil || k.Version != knownVersion || k.Modules == nil {
		return none
	}
	k.index()
	return &k
}

// find returns what a system is made of; nil if that is not known.
func (k *knownSystems) find(host string, out store.Path) *definitions.System {
	i, known := k.places[systemOfHost{host, out}]
	if !known {
		return nil
	}
	s := &k.Systems[i]
	system := &definitions.System{Pins: s.Pins}
	for _, key := range s.Modules {
		m := k.Modules[key]
		if m == nil {
			return nil
		}
		system.Modules = append(system.Modules, m)
	}
	return system
}

func (k *knownSystems) index() {
	k.places = make(map[systemOfHost]int, len(k.Systems))
	for i, s := range k.Systems {
		k.places[systemOfHost{s.Host, s.Out}] = i
	}
}

// add adds a system, unless it is known already.
func (k *knownSystems) add(host string, out store.Path, system *definitions.System, now time.Time) (added bool) {
	s := knownSystem{Host: host, Out: out, Time: now, Pins: system.Pins}
	for _, m := range system.Modules {
		key := m.Sum + " " + m.Source
		k.Modules[key] = m
		s.Modules = append(s.Modules, key)
	}
	if i, known := k.places[systemOfHost{host, out}]; known && slices.Equal(k.Systems[i].Modules, s.Modules) && maps.Equal(k.Systems[i].Pins, s.Pins) {
		return false
	}
	// One that is there already is made of something else now: the later one counts.
	k.Systems = append(k.Systems, s)
	k.places[systemOfHost{host, out}] = len(k.Systems) - 1
	return true
}

// trim drops the oldest systems of each host beyond so many, those that a later one replaces,
// and the modules that no system has.
func (k *knownSystems) trim(most int) {
	count := map[string]int{}
	var kept []knownSystem
	used := map[string]*definitions.Module{}
	seen := map[systemOfHost]bool{}
	for _, s := range slices.Backward(k.Systems) {
		if key := (systemOfHost{s.Host, s.Out}); seen[key] {
			continue
		} else {
			seen[key] = true
		}
		if count[s.Host]++; count[s.Host] > most {
			continue
		}
		kept = append(kept, s)
		for _, key := range s.Modules {
			used[key] = k.Modules[key]
		}
	}
	slices.Reverse(kept)
	k.Systems, k.Modules = kept, used
	k.index()
}

// keepDefinitions keeps what the systems of a plan are made of, before a host gets one of them. Without it, the next plan
// names no options.
func (s *session) keepDefinitions(plan *exec.Plan) {
	where := stateDir(plan.Dir, "options")
	if s.fleet == nil || where == "" || len(s.results) == 0 {
		return
	}
	known := readKnownSystems(plan.Dir)
	all := definitionsOf(s.fleet, hostsOf(s.results))
	added, now := false, time.Now().UTC().Truncate(time.Second)
	for _, r := range s.results {
		if system := all[r.Host.Name]; system != nil && r.Err == nil && r.System.Out != "" {
			added = known.add(r.Host.Name, r.System.Out, system, now) || added
		}
	}
	if !added {
		return
	}
	if err := known.write(where); err != nil {
		s.note("muster plan will not name the options that change next: %v", err)
	}
}

func (k *knownSystems) write(where string) error {
	text, err := k.text(maxKnownSystems)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(where, 0o700); err != nil {
		return err
	}
	return writePrivate(filepath.Join(where, knownName), text)
}

// text is what is written: fewer systems of each host where all of them take more than most
// bytes.
func (k *knownSystems) text(most int) ([]byte, error) {
	for kept := keptSystems; kept > 0; kept-- {
		k.trim(kept)
		if text, err := json.Marshal(k); err != nil || len(text) <= most {
			return text, err
		}
	}
	return nil, fmt.Errorf("the latest system of each host takes more than %s", human.Bytes(int64(most)))
}

// compareFleets prints how the definitions of the hosts of two fleets differ, once for those on which the same does.
func compareFleets(std streams, here, there *session) {
	was, is := definitionsOf(here.fleet, hostsOf(here.results)), definitionsOf(there.fleet, hostsOf(there.results))
	hosts := map[string][]string{}
	changes := map[string]*definitions.Changes{}
	var order []string
	for _, r := range there.results {
		name := r.Host.Name
		if was[name] == nil || is[name] == nil {
			continue
		}
		c := definitions.Compare(was[name], is[name])
		text, err := json.Marshal(c)
		if c.Empty() || err != nil {
			continue
		}
		key := string(text)
		if changes[key] == nil {
			changes[key], order = c, append(order, key)
		}
		hosts[key] = append(hosts[key], name)
	}
	for _, key := range order {
		ui.Definitions(std.out, hosts[key], changes[key])
	}
}

func hostsOf(results []evaluate.Result) (hosts []*schema.Host) {
	for _, r := range results {
		hosts = append(hosts, r.Host)
	}
	return hosts
}

// compareDefinitions compares the definitions of the session's hosts with those of the systems that they run. Nothing is
// read before a host has a system that differs.
func (s *session) compareDefinitions(dir string) func(host string, running store.Path) *definitions.Changes {
	type both struct {
		known *knownSystems
		here  map[string]*definitions.System
	}
	var same likeChanges
	read := sync.OnceValue(func() both {
		return both{known: readKnownSystems(dir), here: definitionsOf(s.fleet, hostsOf(s.results))}
	})
	return func(host string, running store.Path) *definitions.Changes {
		b := read()
		was, is := b.known.find(host, running), b.here[host]
		if was == nil || is == nil {
			return nil
		}
		return same.of(definitions.Compare(was, is))
	}
}

// likeChanges has hosts on which the same changes share one value, as a fleet has many hosts
// and few kinds of them.
type likeChanges struct {
	mu  sync.Mutex
	all map[string]*definitions.Changes
}

func (l *likeChanges) of(c *definitions.Changes) *definitions.Changes {
	text, err := json.Marshal(c)
	if err != nil {
		return c
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*definitions.Changes{}
	}
	if l.all[string(text)] == nil {
		l.all[string(text)] = c
	}
	return l.all[string(text)]
}
