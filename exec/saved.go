package exec

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"muster/compile/store"
	"muster/exec/host"
	"muster/schema"
)

// A plan is saved with all it takes to carry it out: what to do, and how each
// host is reached. What an inventory says that is not for the executor is left
// out. Names and version are explicit, so that a change of a type here changes no
// saved plan by accident.

// planVersion changes when a saved plan can no longer be read as before.
const planVersion = 1

type savedPlan struct {
	Version    int          `json:"muster_plan"`
	Run        string       `json:"run,omitempty"`
	Dir        string       `json:"dir"`
	Action     Action       `json:"action"`
	Generation int          `json:"generation,omitempty"`
	Undo       string       `json:"undo,omitempty"`
	Builders   []string     `json:"builders,omitempty"`
	PushTo     string       `json:"push_to,omitempty"`
	PullFrom   string       `json:"pull_from,omitempty"`
	Rollout    savedRollout `json:"rollout"`
	Command    []string     `json:"command,omitempty"`
	Keep       *savedKeep   `json:"keep,omitempty"`
	Steps      []savedStep  `json:"steps"`
}

type savedKeep struct {
	Last  int           `json:"last,omitempty"`
	Newer time.Duration `json:"newer_ns,omitempty"`
	Dry   bool          `json:"dry,omitempty"`
}

type savedRollout struct {
	MaxUnavailable int           `json:"max_unavailable,omitempty"`
	MaxFailures    int           `json:"max_failures,omitempty"`
	Pause          time.Duration `json:"pause_ns,omitempty"`
	Confirm        bool          `json:"confirm,omitempty"`
}

type savedStep struct {
	Host   savedHost    `json:"host"`
	System System       `json:"system,omitzero"`
	Paths  []store.Path `json:"paths,omitempty"`
	Wave   int          `json:"wave"`
	Expect *host.State  `json:"expect,omitempty"`
	Hooks  []savedHook  `json:"hooks,omitempty"`
	Error  string       `json:"error,omitempty"`
}

type savedHost struct {
	Name       string             `json:"name"`
	Address    string             `json:"address"`
	Port       int                `json:"port,omitempty"`
	User       string             `json:"user,omitempty"`
	HostKeys   []string           `json:"host_keys,omitempty"`
	Jump       string             `json:"jump,omitempty"`
	Privilege  schema.Privilege   `json:"privilege,omitempty"`
	Local      bool               `json:"local,omitempty"`
	NoAddress  bool               `json:"no_address,omitempty"`
	System     string             `json:"system,omitempty"`
	Policy     schema.Policy      `json:"policy,omitempty"`
	Failed     schema.FailedUnits `json:"failed_units,omitempty"`
	BuildOn    schema.BuildOn     `json:"build_on,omitempty"`
	Substitute bool               `json:"substitute,omitempty"`
	LimitRate  int64              `json:"limit_rate,omitempty"`
	DiskUUID   string             `json:"disk_uuid,omitempty"`
	Health     []savedCheck       `json:"health,omitempty"`
	Secrets    []savedSecret      `json:"secrets,omitempty"`
}

type savedCheck struct {
	Command  []string      `json:"command,omitempty"`
	HTTP     string        `json:"http,omitempty"`
	Status   int           `json:"status,omitempty"`
	TCP      string        `json:"tcp,omitempty"`
	Unit     string        `json:"unit,omitempty"`
	FromHere bool          `json:"from_here,omitempty"`
	Timeout  time.Duration `json:"timeout_ns"`
	Interval time.Duration `json:"interval_ns"`
	Retries  int           `json:"retries"`
}

type savedHook struct {
	Before  string        `json:"before,omitempty"`
	After   string        `json:"after,omitempty"`
	Command []string      `json:"command"`
	OnHost  bool          `json:"on_host,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}

// MarshalJSON saves the plan.
func (p *Plan) MarshalJSON() ([]byte, error) {
	s := savedPlan{
		Version: planVersion, Run: p.Run, Dir: p.Dir, Action: p.Action, Generation: p.Generation, Undo: p.Undo,
		Builders: p.Builders, PushTo: p.Cache.PushTo, PullFrom: p.Cache.PullFrom, Command: p.Command,
		Rollout: savedRollout{
			MaxUnavailable: p.Rollout.MaxUnavailable, MaxFailures: p.Rollout.MaxFailures,
			Pause: p.Rollout.Pause, Confirm: p.Rollout.Confirm,
		},
	}
	if k := p.Keep; k != (Keep{}) {
		s.Keep = &savedKeep{Last: k.Last, Newer: k.Newer, Dry: k.Dry}
	}
	for i := range p.Steps {
		s.Steps = append(s.Steps, saveStep(&p.Steps[i]))
	}
	return json.Marshal(s)
}

func saveStep(step *Step) savedStep {
	s := savedStep{Host: saveHost(step.Host), System: step.System, Paths: step.Paths, Wave: step.Wave, Expect: step.Expect}
	for _, k := range step.Hooks {
		s.Hooks = append(s.Hooks, savedHook{Before: k.Before, After: k.After, Command: k.Command, OnHost: k.OnHost, Timeout: k.Timeout})
	}
	if step.Err != nil {
		s.Error = step.Err.Error()
	}
	return s
}

func saveHost(h *schema.Host) savedHost {
	s := savedHost{
		Name: h.Name, Address: h.Address, Port: h.Port, User: h.User, HostKeys: h.HostKeys, Jump: h.Jump,
		Privilege: h.Privilege, Local: h.Local, NoAddress: h.Unconnected, System: h.System, Policy: h.Policy, Failed: h.FailedUnits, BuildOn: h.BuildOn, Substitute: h.Substitute,
		LimitRate: h.LimitRate, DiskUUID: h.DiskUUID,
	}
	s.Secrets = saveSecrets(h.AllSecrets)
	for _, c := range h.Health {
		s.Health = append(s.Health, savedCheck{
			Command: c.Command, HTTP: c.HTTP, Status: c.Status, TCP: c.TCP, Unit: c.Unit, FromHere: c.FromHere,
			Timeout: c.Timeout, Interval: c.Interval, Retries: c.Retries,
		})
	}
	return s
}

// UnmarshalJSON reads a saved plan.
func (p *Plan) UnmarshalJSON(text []byte) error {
	var s savedPlan
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	if s.Version != planVersion {
		return fmt.Errorf("read plan: version %d: want %d, as this muster saves", s.Version, planVersion)
	}
	if _, ok := stages[s.Action]; !ok {
		return fmt.Errorf("read plan: unknown action %q", s.Action)
	}
	*p = Plan{
		Run: s.Run, Dir: s.Dir, Action: s.Action, Generation: s.Generation, Undo: s.Undo, Builders: s.Builders, Command: s.Command,
		Cache: schema.Cache{PushTo: s.PushTo, PullFrom: s.PullFrom},
		Rollout: schema.Rollout{
			MaxUnavailable: s.Rollout.MaxUnavailable, MaxFailures: s.Rollout.MaxFailures, Pause: s.Rollout.Pause, Confirm: s.Rollout.Confirm,
		},
	}
	if k := s.Keep; k != nil {
		p.Keep = Keep{Last: k.Last, Newer: k.Newer, Dry: k.Dry}
	}
	for i := range s.Steps {
		step, err := s.Steps[i].load(len(s.Steps))
		if err != nil {
			return fmt.Errorf("read plan: host %q: %w", s.Steps[i].Host.Name, err)
		}
		p.Steps = append(p.Steps, step)
	}
	return nil
}

// load reads the step of a plan of so many.
func (s *savedStep) load(steps int) (Step, error) {
	switch {
	case s.Host.Name == "":
		return Step{}, errors.New("a step without a host")
	case s.Wave < 0 || s.Wave > steps:
		return Step{}, fmt.Errorf("wave %d of %d steps", s.Wave, steps)
	}
	for _, path := range append([]store.Path{s.System.Drv, s.System.Out}, s.Paths...) {
		if path == "" {
			continue
		}
		if _, err := store.ParsePath(string(path)); err != nil {
			return Step{}, err
		}
	}
	step := Step{Host: s.Host.load(), System: s.System, Paths: s.Paths, Wave: s.Wave, Expect: s.Expect}
	for _, k := range s.Hooks {
		if len(k.Command) == 0 {
			return Step{}, errors.New("a hook without a command")
		}
		step.Hooks = append(step.Hooks, schema.Hook{Before: k.Before, After: k.After, Command: k.Command, OnHost: k.OnHost, Timeout: k.Timeout})
	}
	if s.Error != "" {
		step.Err = errors.New(s.Error)
	}
	return step, nil
}

func (s *savedHost) load() *schema.Host {
	h := &schema.Host{
		Name: s.Name, Address: s.Address, Port: s.Port, User: s.User, HostKeys: s.HostKeys, Jump: s.Jump,
		Privilege: s.Privilege, Local: s.Local, Unconnected: s.NoAddress, System: s.System, Policy: s.Policy, FailedUnits: s.Failed, BuildOn: s.BuildOn, Substitute: s.Substitute,
		LimitRate: s.LimitRate, DiskUUID: s.DiskUUID,
	}
	h.AllSecrets = loadSecrets(s.Secrets)
	for _, c := range s.Health {
		h.Health = append(h.Health, schema.Check{
			Command: c.Command, HTTP: c.HTTP, Status: c.Status, TCP: c.TCP, Unit: c.Unit, FromHere: c.FromHere,
			Timeout: c.Timeout, Interval: c.Interval, Retries: c.Retries,
		})
	}
	return h
}
