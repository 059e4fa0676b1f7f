package exec

import (
	"time"

	"muster/compile/store"
)

// BuildStarted says that a derivation is being built: on a builder, by its URL, or here.
type BuildStarted struct {
	Drv     store.Path `json:"drv"`
	Builder string     `json:"builder,omitempty"`
}

// BuildPhase says that a build has come to a phase, such as checkPhase.
type BuildPhase struct {
	Drv   store.Path `json:"drv"`
	Phase string     `json:"phase"`
}

// BuildPrinted is a line that a build has printed.
type BuildPrinted struct {
	Drv  store.Path `json:"drv"`
	Line string     `json:"line"`
}

// BuildEnded says that a build has ended, and why where it failed.
type BuildEnded struct {
	Drv     store.Path    `json:"drv"`
	Builder string        `json:"builder,omitempty"`
	Took    time.Duration `json:"took_ns"`
	Err     string        `json:"error,omitempty"`
}

// BuildsCounted says how many derivations are built. Nix finds out what has to be built while
// it builds, so the total may grow.
type BuildsCounted struct {
	Built   int `json:"built"`
	Failed  int `json:"failed,omitempty"`
	Running int `json:"running,omitempty"`
	Total   int `json:"total"`
}

// BuilderLost says that a builder is left out from now on, and how many are left: it cannot
// be reached, has died in a build, or is not what its line says.
type BuilderLost struct {
	Builder string     `json:"builder"`
	Why     string     `json:"why"`
	Drv     store.Path `json:"drv,omitempty"` // that it was building; it is built elsewhere
	For     string     `json:"for,omitempty"` // what it is left out for, such as the feature kvm; none: everything
	Left    int        `json:"left"`
}

// NixSaid is a line that Nix has printed about builds.
type NixSaid struct {
	Line string `json:"line"`
}

func (BuildStarted) Name() string  { return "BuildStarted" }
func (BuildPhase) Name() string    { return "BuildPhase" }
func (BuildPrinted) Name() string  { return "BuildPrinted" }
func (BuildEnded) Name() string    { return "BuildEnded" }
func (BuildsCounted) Name() string { return "BuildsCounted" }
func (BuilderLost) Name() string   { return "BuilderLost" }
func (NixSaid) Name() string       { return "NixSaid" }

func (BuildStarted) event()  {}
func (BuildPhase) event()    {}
func (BuildPrinted) event()  {}
func (BuildEnded) event()    {}
func (BuildsCounted) event() {}
func (BuilderLost) event()   {}
func (NixSaid) event()       {}

func init() {
	reads[BuildStarted]()
	reads[BuildPhase]()
	reads[BuildPrinted]()
	reads[BuildEnded]()
	reads[BuildsCounted]()
	reads[BuilderLost]()
	reads[NixSaid]()
}
