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
	Lock        Stage = "lock"
	Copy        Stage = "copy"
	Compare     Stage = "compare"
	Activate    Stage = "activate"
	Revert      Stage = "revert"
	Reach       Stage = "reconnect"
	Health      Stage = "health"
	Confirm     Stage = "confirm"
	Restart     Stage = "reboot"
	ListProfile Stage = "list"
	Report      Stage = "report"
	RunCommand  Stage = "exec"
	Collect     Stage = "gc"
)

// stages says which stages each action has, in order. Connecting and looking
// come first: a host that cannot be reached is found out before anything is
// built for it.
var stages = map[Action][]Stage{
	BuildOnly:   {Build},
	Push:        {ConnectTo, Build, Copy},
	CopyPaths:   {ConnectTo, Copy},
	Switch:      {ConnectTo, Inspect, Build, Lock, Copy, Activate, Reach, Health, Confirm, Restart},
	Boot:        {ConnectTo, Inspect, Build, Lock, Copy, Activate, Restart},
	Test:        {ConnectTo, Inspect, Build, Lock, Copy, Activate, Reach, Health, Confirm},
	DryActivate: {ConnectTo, Inspect, Build, Copy, Activate},
	Preview:     {ConnectTo, Inspect, Build, Compare},
	Rollback:    {ConnectTo, Inspect, Lock, Revert, Reach, Health, Confirm, Restart},
	List:        {ConnectTo, Inspect, ListProfile},
	Look:        {ConnectTo, Inspect, Report},
	Command:     {ConnectTo, RunCommand},
	Clean:       {ConnectTo, Inspect, Lock, Collect},
}

// work is what each stage does to a host, one file each.
var work = map[Stage]func(*job, context.Context) error{
	ConnectTo:   (*job).connect,
	Inspect:     (*job).inspect,
	Build:       (*job).build,
	Lock:        (*job).lock,
	Copy:        (*job).copy,
	Compare:     (*job).compare,
	Activate:    (*job).activate,
	Revert:      (*job).revert,
	Reach:       (*job).reach,
	Health:      (*job).health,
	Confirm:     (*job).confirm,
	Restart:     (*job).restart,
	ListProfile: (*job).list,
	Report:      (*job).report,
	RunCommand:  (*job).runCommand,
	Collect:     (*job).collect,
}
