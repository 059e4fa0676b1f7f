// Package builds has the words in which a run asks for builds, and is told of them.
//
// A run hands the systems of all its hosts over at once, as a list of [Want]s. What builds
// them takes their derivations as one graph, and tells a [Watcher] what it sees.
package builds

import (
	"time"

	"muster/compile/store"
)

// A Want is a system to be built.
type Want struct {
	Drv store.Path // "" for a path that is in the store already
	Out store.Path // what Drv builds; "" where that is not known before
	// Root is the file that becomes a garbage collector root of the output; "" for none.
	Root string
	// Done is called once, as soon as the system is there or cannot be built.
	Done func(out store.Path, err error)
}

// A Watcher is told what happens to derivations. Its methods are called one at a time.
type Watcher interface {
	// Started says that a derivation is being built on a machine, by the URL of that; ""
	// is this machine.
	Started(drv store.Path, on string)
	// Phase says that a build has come to a phase, such as checkPhase.
	Phase(drv store.Path, phase string)
	// Printed is a line that a build has printed.
	Printed(drv store.Path, line string)
	// Ended says that a build has ended, and why where it failed.
	Ended(drv store.Path, on string, took time.Duration, err string)
	// Counted says how far all has come.
	Counted(Counts)
	// Lost says that a builder is used no longer, or for less.
	Lost(Loss)
	// Said is a line that Nix itself has printed.
	Said(line string)
}

// Counts are how many derivations there are, as far as Nix knows them: it finds out what
// has to be built while it builds.
type Counts struct {
	Built, Failed, Running, Total int
}

// A Loss is a builder that is left out.
type Loss struct {
	Builder string // its URL
	Why     string
	// Drv is what it was building; "" where it was building nothing.
	Drv store.Path
	// For is what the builder is left out for, such as the feature kvm; "" for everything.
	For string
	// Left counts the builders that are left.
	Left int
}
