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
// out.

// planVersion changes when what is saved can no longer be read as before.
const planVersion = 1

type savedPlan struct {
	Version    int          `json:"muster_plan"`
	Run        string       `json:"run,omitempty"`
	Dir        string       `json:"dir"`
	Action     Action       `json:"action"`
	Generation int          `json:"generation,omitempty"`
	Builders   []string     `json:"builders,omitempty"`
	PushTo     string       `json:"push_to,omitempty"`
	PullFrom   string       `json:"pull_from,omitempty"`
	Rollout    savedRollout `json:"rollout"`
	Steps      []savedStep  `json:"steps"`
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
	Name       string           `json:"name"`
	Address    string           `json:"address"`
	Port       int              `json:"port,omitempty"`
	User       string           `json:"user,omitempty"`
	HostKeys   []string         `json:"host_keys,omitempty"`
	Jump       string           `json:"jump,omitempty"`
	Privilege  schema.Privilege `json:"privilege,omitempty"`
	System     string           `json:"system,omitempty"`
	Policy     schema.Policy    `json:"policy,omitempty"`
	BuildOn    schema.BuildOn   `json:"build_on,omitempty"`
	Substitute bool             `json:"substitute,omitempty"`
	LimitRate  int64            `json:"limit_rate,omitempty"`
	DiskUUID   string           `json:"disk_uuid,omitempty"`
	Health     []savedCheck     `json:"health,omitempty"`
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
		Version: planVersion, Run: p.Run, Dir: p.Dir, Action: p.Action, Generation: p.Generation,
		Builders: p.Builders, PushTo: p.Cache.PushTo, PullFrom: p.Cache.PullFrom,
		Rollout: savedRollout{p.Rollout.MaxUnavailable, p.Rollout.MaxFailures, p.Rollout.Pause, p.Rollout.Confirm},
	}
	for _, step := range p.Steps {
		h := step.Host
		saved := savedStep{
			Host: savedHost{
				h.Name, h.Address, h.Port, h.User, h.HostKeys, h.Jump, h.Privilege, h.System, h.Policy, h.BuildOn,
				h.Substitute, h.LimitRate, h.DiskUUID, nil,
			},
			System: step.System, Paths: step.Paths, Wave: step.Wave, Expect: step.Expect,
		}
		for _, c := range h.Health {
			saved.Host.Health = append(saved.Host.Health,
				savedCheck{c.Command, c.HTTP, c.Status, c.TCP, c.Unit, c.FromHere, c.Timeout, c.Interval, c.Retries})
		}
		for _, k := range step.Hooks {
			saved.Hooks = append(saved.Hooks, savedHook{k.Before, k.After, k.Command, k.OnHost, k.Timeout})
		}
		if step.Err != nil {
			saved.Error = step.Err.Error()
		}
		s.Steps = append(s.Steps, saved)
	}
	return json.Marshal(s)
}

// UnmarshalJSON reads a saved plan.
func (p *Plan) UnmarshalJSON(text []byte) error {
	var s savedPlan
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	if s.Version != planVersion {
		return fmt.Errorf("read plan: it is no plan of this muster: version %d, want %d", s.Version, planVersion)
	}
	if _, ok := stages[s.Action]; !ok {
		return fmt.Errorf("read plan: unknown action %q", s.Action)
	}
	*p = Plan{Run: s.Run, Dir: s.Dir, Action: s.Action, Generation: s.Generation, Builders: s.Builders,
		Cache: schema.Cache{PushTo: s.PushTo, PullFrom: s.PullFrom}, Rollout: schema.Rollout{
			MaxUnavailable: s.Rollout.MaxUnavailable, MaxFailures: s.Rollout.MaxFailures, Pause: s.Rollout.Pause, Confirm: s.Rollout.Confirm,
		}}
	for _, saved := range s.Steps {
		h := saved.Host
		if h.Name == "" || saved.Wave < 0 || saved.Wave > len(s.Steps) {
			return fmt.Errorf("read plan: bad step for host %q", h.Name)
		}
		step := Step{
			Host: &schema.Host{
				Name: h.Name, Address: h.Address, Port: h.Port, User: h.User, HostKeys: h.HostKeys, Jump: h.Jump,
				Privilege: h.Privilege, System: h.System, Policy: h.Policy, BuildOn: h.BuildOn, Substitute: h.Substitute,
				LimitRate: h.LimitRate, DiskUUID: h.DiskUUID,
			},
			System: saved.System, Paths: saved.Paths, Wave: saved.Wave, Expect: saved.Expect,
		}
		for _, path := range append([]store.Path{saved.System.Drv, saved.System.Out}, saved.Paths...) {
			if path == "" {
				continue
			}
			if _, err := store.ParsePath(string(path)); err != nil {
				return fmt.Errorf("read plan: host %s: %w", h.Name, err)
			}
		}
		for _, c := range h.Health {
			step.Host.Health = append(step.Host.Health, schema.Check{
				Command: c.Command, HTTP: c.HTTP, Status: c.Status, TCP: c.TCP, Unit: c.Unit, FromHere: c.FromHere,
				Timeout: c.Timeout, Interval: c.Interval, Retries: c.Retries,
			})
		}
		for _, k := range saved.Hooks {
			if len(k.Command) == 0 {
				return fmt.Errorf("read plan: host %s: a hook without a command", h.Name)
			}
			step.Hooks = append(step.Hooks, schema.Hook{Before: k.Before, After: k.After, Command: k.Command, OnHost: k.OnHost, Timeout: k.Timeout})
		}
		if saved.Error != "" {
			step.Err = errors.New(saved.Error)
		}
		p.Steps = append(p.Steps, step)
	}
	return nil
}
