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
	PreCheck    Stage = "check" // before the host is changed
	HostKey     Stage = "host key"
	SendSecrets Stage = "secrets"
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
	Leave       Stage = "leave cluster"
	Rejoin      Stage = "rejoin cluster"

	LookBare      Stage = "look" // at a machine that has no system of the fleet yet
	Kexec         Stage = "kexec"
	MakeDisks     Stage = "disks"
	PlaceKeys     Stage = "keys"
	InstallSystem Stage = "install"
)

// stages says which stages each action has, in order. Connecting and inspecting
// come first: a host that cannot be reached is found out before anything is
// built for it.
var stages = map[Action][]Stage{
	BuildOnly:   {Build},
	Push:        {ConnectTo, Build, Copy},
	CopyPaths:   {ConnectTo, Copy},
	Switch:      {ConnectTo, Inspect, Build, Lock, Copy, PreCheck, Leave, HostKey, SendSecrets, Activate, Reach, Health, Confirm, Restart, Rejoin},
	Boot:        {ConnectTo, Inspect, Build, Lock, Copy, PreCheck, HostKey, SendSecrets, Activate, Leave, Restart, Rejoin},
	Test:        {ConnectTo, Inspect, Build, Lock, Copy, PreCheck, Leave, HostKey, SendSecrets, Activate, Reach, Health, Confirm, Rejoin},
	DryActivate: {ConnectTo, Inspect, Build, Copy, Activate},
	Preview:     {ConnectTo, Inspect, Build, Compare},
	Rollback:    {ConnectTo, Inspect, Lock, Leave, Revert, Reach, Health, Confirm, Restart, Rejoin},
	WouldRevert: {ConnectTo, Inspect},
	List:        {ConnectTo, Inspect, ListProfile},
	Look:        {ConnectTo, Inspect, Health, Report},
	Command:     {ConnectTo, RunCommand},
	Clean:       {ConnectTo, Inspect, Lock, Collect},
	Install:     {ConnectTo, LookBare, Build, Kexec, Lock, MakeDisks, Copy, PlaceKeys, InstallSystem, Restart},
	PushSecrets: {ConnectTo, Inspect, Lock, Leave, HostKey, SendSecrets, Activate, Health, Confirm, Rejoin},
}

// A stageFunc does the work of one stage on one host. It reads what the stages
// before found out from the job, and leaves there what it finds out itself. Its
// error is why the host's part in the run ends here.
type stageFunc func(ctx context.Context, j *job) error

// work is what each stage does to a host, one file each.
var work = map[Stage]stageFunc{
	ConnectTo:   connect,
	Inspect:     inspect,
	Build:       build,
	Lock:        lock,
	Copy:        copyClosure,
	Compare:     compare,
	PreCheck:    checkBefore,
	HostKey:     placeHostKey,
	SendSecrets: sendSecrets,
	Activate:    activate,
	Revert:      revert,
	Reach:       reach,
	Health:      checkHealth,
	Confirm:     confirm,
	Restart:     restart,
	ListProfile: list,
	Report:      report,
	RunCommand:  runCommand,
	Collect:     collect,
	Leave:       leave,
	Rejoin:      rejoin,

	LookBare:      lookBare,
	Kexec:         kexec,
	MakeDisks:     makeDisks,
	PlaceKeys:     placeKeys,
	InstallSystem: installSystem,
}

// split divides the stages of an action into those that only look, and the
// rest.
func split(all []Stage) (survey, rest []Stage) {
	for i, s := range all {
		if s != ConnectTo && s != Inspect && s != LookBare {
			return all[:i], all[i:]
		}
	}
	return all, nil
}

// InActivation reports whether a host may be between two systems in this stage.
func (s Stage) InActivation() bool {
	switch s {
	case Activate, Revert, Reach, Health, Confirm, Restart:
		return true
	}
	return false
}
