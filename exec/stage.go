package exec

import "context"

// A Stage is one part of the work on a host.
type Stage string

// The stages.
const (
	Evaluate    Stage = "evaluate" // before a run: inventory to derivation
	ConnectTo   Stage = "connect"
	Inspect     Stage = "inspect"
	Build       Stage = "build"
	Copy        Stage = "copy"
	Activate    Stage = "activate"
	Revert      Stage = "revert"
	ListProfile Stage = "list"
)

// stages says which stages each action has, in order. A host that cannot be
// reached is found out before anything is built for it.
var stages = map[Action][]Stage{
	BuildOnly:   {Build},
	Push:        {ConnectTo, Build, Copy},
	CopyPaths:   {ConnectTo, Copy},
	Switch:      {ConnectTo, Inspect, Build, Copy, Activate},
	Boot:        {ConnectTo, Inspect, Build, Copy, Activate},
	Test:        {ConnectTo, Inspect, Build, Copy, Activate},
	DryActivate: {ConnectTo, Inspect, Build, Copy, Activate},
	Rollback:    {ConnectTo, Inspect, Revert},
	List:        {ConnectTo, Inspect, ListProfile},
}

// work is what each stage does to a host, one file each.
var work = map[Stage]func(*job, context.Context) error{
	ConnectTo:   (*job).connect,
	Inspect:     (*job).inspect,
	Build:       (*job).build,
	Copy:        (*job).copy,
	Activate:    (*job).activate,
	Revert:      (*job).revert,
	ListProfile: (*job).list,
}
