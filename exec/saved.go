package exec

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"muster/compile/store"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/strictjson"
	"muster/schema"
)

// A plan is saved with all it takes to carry it out: what to do, and how each
// host is reached. What an inventory says that is not for the executor is left
// out. Names and version are explicit, so that a change of a type here changes no
// saved plan by accident. A checksum shows that nothing has been changed since.

// planVersion changes when a saved plan can no longer be read as before. Version 1
// had no checksum.
const planVersion = 2

// MaxPlan is the most bytes of a saved plan that are read. A host has 700 bytes in it, and
// 1,200 with health checks, hooks and secrets.
const MaxPlan = 64 << 20

// maxPlanMemory is the most bytes that a plan that was read takes.
const maxPlanMemory = 128 << 20

type savedPlan struct {
	Version    int           `json:"muster_plan" want:"0..1000000"`
	Run        savedWord     `json:"run,omitempty"`
	Who        string        `json:"who,omitempty"`
	Dir        string        `json:"dir"`
	Action     Action        `json:"action"`
	Generation int           `json:"generation,omitempty" want:"0..2147483647"`
	Undo       savedWord     `json:"undo,omitempty"`
	Builders   []string      `json:"builders,omitempty"`
	OnlyThere  bool          `json:"only_builders,omitempty"`
	BuildHosts []savedHost   `json:"builder_hosts,omitempty"`
	PushTo     string        `json:"push_to,omitempty"`
	PullFrom   string        `json:"pull_from,omitempty"`
	Peers      []string      `json:"peers,omitempty"`
	Rollout    savedRollout  `json:"rollout"`
	Cluster    *savedCluster `json:"cluster,omitempty"`
	Command    []string      `json:"command,omitempty"`
	Keep       *savedKeep    `json:"keep,omitempty"`
	Reinstall  bool          `json:"reinstall,omitempty"`
	NoReboot   bool          `json:"no_reboot,omitempty"`
	InPlace    bool          `json:"in_place,omitempty"`
	Steps      savedSteps    `json:"steps"`
	// Sum is the SHA-256 of the plan without white space and without this field, which is the last.
	Sum string `json:"sha256,omitempty"`
}

type savedKeep struct {
	Last  int           `json:"last,omitempty" want:"0..2147483647"`
	Newer time.Duration `json:"newer_ns,omitempty"`
	Dry   bool          `json:"dry,omitempty"`
}

type savedRollout struct {
	MaxUnavailable int           `json:"max_unavailable,omitempty" want:"0..1000000"`
	MaxFailures    int           `json:"max_failures,omitempty" want:"0..1000000"`
	Pause          time.Duration `json:"pause_ns,omitempty"`
	Confirm        bool          `json:"confirm,omitempty"`
}

type savedStep struct {
	Host      savedHost    `json:"host"`
	BuildHost *savedHost   `json:"build_host,omitempty"`
	System    System       `json:"system,omitzero"`
	Paths     []store.Path `json:"paths,omitempty"`
	Wave      int          `json:"wave" want:"0..1000000"`
	Site      string       `json:"site,omitempty"`
	Expect    *host.State  `json:"expect,omitempty"`
	Hooks     []savedHook  `json:"hooks,omitempty"`
	Error     string       `json:"error,omitempty"`

	Baseline *Baseline `json:"baseline,omitempty"`
}

type savedHost struct {
	Name       savedName          `json:"name"`
	Address    savedWord          `json:"address"`
	Port       int                `json:"port,omitempty" want:"0..65535"`
	User       savedWord          `json:"user,omitempty"`
	Others     []savedWay         `json:"other_addresses,omitempty"`
	MeshWays   []savedWay         `json:"mesh_addresses,omitempty"`
	HostKeys   []string           `json:"host_keys,omitempty"`
	Jump       savedWord          `json:"jump,omitempty"`
	SSH        *savedSSH          `json:"ssh,omitempty"`
	Privilege  schema.Privilege   `json:"privilege,omitempty"`
	Become     []string           `json:"privilege_command,omitempty"`
	Local      bool               `json:"local,omitempty"`
	NoAddress  bool               `json:"no_address,omitempty"`
	System     savedWord          `json:"system,omitempty"`
	Roles      []savedWord        `json:"roles,omitempty"` // for reports
	Policy     schema.Policy      `json:"policy,omitempty"`
	Failed     schema.FailedUnits `json:"failed_units,omitempty"`
	Care       *savedCare         `json:"care,omitempty"`
	GuestOf    savedWord          `json:"guest_of,omitempty"`
	VariantOf  savedWord          `json:"variant_of,omitempty"`
	BuildOn    schema.BuildOn     `json:"build_on,omitempty"`
	Substitute bool               `json:"substitute,omitempty"`
	LimitRate  int64              `json:"limit_rate,omitempty" want:"0..2000000000"`
	DiskUUID   savedWord          `json:"disk_uuid,omitempty"`
	Health     []savedCheck       `json:"health,omitempty"`
	Secrets    []savedSecret      `json:"secrets,omitempty"`
	Disks      []savedDisk        `json:"disks,omitempty"`
	Install    *savedInstall      `json:"install,omitempty"`
	Profile    *savedProfile      `json:"profile,omitempty"`
}

// A savedProfile is the profile that a step is about.
type savedProfile struct {
	Host     savedWord `json:"host"`
	Name     savedWord `json:"name"`
	User     savedWord `json:"user,omitempty"`
	Path     savedWord `json:"path"`
	Activate string    `json:"activate"`
}

type savedCheck struct {
	Command  []string      `json:"command,omitempty"`
	HTTP     string        `json:"http,omitempty"`
	Status   int           `json:"status,omitempty" want:"0..599"`
	TCP      string        `json:"tcp,omitempty"`
	Unit     string        `json:"unit,omitempty"`
	FromHere bool          `json:"from_here,omitempty"`
	About    string        `json:"description,omitempty"`
	Before   bool          `json:"before,omitempty"`
	Headers  []savedHeader `json:"headers,omitempty"`
	Insecure bool          `json:"insecure,omitempty"`
	Timeout  time.Duration `json:"timeout_ns"`
	Interval time.Duration `json:"interval_ns"`
	Retries  int           `json:"retries" want:"0..10000"`
}

// A savedHeader is a header of an HTTP request.
type savedHeader struct {
	Name  savedWord `json:"name"`
	Value string    `json:"value"`
}

type savedHook struct {
	Before  hookStage     `json:"before,omitempty"`
	After   hookStage     `json:"after,omitempty"`
	Command []string      `json:"command"`
	OnHost  bool          `json:"on_host,omitempty"`
	Timeout time.Duration `json:"timeout_ns"`
}

// MarshalJSON saves the plan.
func (p *Plan) MarshalJSON() ([]byte, error) {
	text, err := json.Marshal(p.save())
	if err != nil {
		return nil, err
	}
	return withSum(text), nil
}

// withSum adds its checksum to a plan without white space.
func withSum(text []byte) []byte {
	return fmt.Appendf(text[:len(text)-1], sumFormat, sha256.Sum256(text))
}

// sumFormat is the end of a saved plan.
const sumFormat = `,"sha256":"%x"}`

// checkSum compares the checksum of a saved plan with what it says. There is none in version 1.
func (s *savedPlan) checkSum(text []byte) error {
	if s.Version < 2 {
		if s.Sum != "" {
			return errors.New("version 1 has no sha256: it has been changed since it was saved")
		}
		return nil
	}
	var compact bytes.Buffer
	compact.Grow(len(text))
	if err := json.Compact(&compact, text); err != nil {
		return err
	}
	plain, end := compact.Bytes(), fmt.Appendf(nil, sumFormat, s.sumBytes())
	if rest, ok := bytes.CutSuffix(plain, end); ok && len(s.Sum) == 2*sha256.Size {
		if sum := sha256.Sum256(append(rest, '}')); string(sum[:]) == string(s.sumBytes()) {
			return nil
		}
	}
	return errors.New("its sha256 is another: it has been changed since it was saved")
}

func (s *savedPlan) sumBytes() []byte {
	sum, _ := hex.DecodeString(s.Sum)
	return sum
}

func (p *Plan) save() *savedPlan {
	s := &savedPlan{
		Version: planVersion, Run: savedWord(p.Run), Who: p.Who, Dir: p.Dir, Action: p.Action, Generation: p.Generation, Undo: savedWord(p.Undo),
		Builders: p.Builders, OnlyThere: p.OnlyThere, PushTo: p.Cache.PushTo, PullFrom: p.Cache.PullFrom, Peers: p.Cache.Peers, Command: p.Command,
		Reinstall: p.Wanted.Reinstall, NoReboot: p.Wanted.NoReboot, InPlace: p.Wanted.InPlace,
		Rollout: savedRollout{
			MaxUnavailable: p.Rollout.MaxUnavailable, MaxFailures: p.Rollout.MaxFailures,
			Pause: p.Rollout.Pause, Confirm: p.Rollout.Confirm,
		},
	}
	if k := p.Keep; k != (Keep{}) {
		s.Keep = &savedKeep{Last: k.Last, Newer: k.Newer, Dry: k.Dry}
	}
	for _, h := range p.BuilderHosts {
		s.BuildHosts = append(s.BuildHosts, saveHost(h))
	}
	s.Cluster = saveCluster(p.Cluster)
	s.Steps = p.Steps
	return s
}

// savedSteps are written as a list of [savedStep].
type savedSteps []Step

func (steps savedSteps) MarshalJSON() ([]byte, error) {
	list := make([]savedStep, len(steps))
	for i := range steps {
		list[i] = saveStep(&steps[i])
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads one step after the other, so that only one is there twice.
func (steps *savedSteps) UnmarshalJSON(text []byte) error {
	list := json.NewDecoder(bytes.NewReader(text))
	if _, err := list.Token(); err != nil {
		return err
	}
	hosts := map[string]bool{}
	for list.More() {
		var s savedStep
		if err := list.Decode(&s); err != nil {
			return err
		}
		if hosts[string(s.Host.Name)] {
			return fmt.Errorf("steps[%d]: host %q is there twice", len(*steps), s.Host.Name)
		}
		hosts[string(s.Host.Name)] = true
		step, err := s.load()
		if err != nil {
			return fmt.Errorf("steps[%d]: host %q: %w", len(*steps), s.Host.Name, err)
		}
		*steps = append(*steps, step)
	}
	return nil
}

func saveStep(step *Step) savedStep {
	s := savedStep{Host: saveHost(step.Host), System: step.System, Paths: step.Paths, Wave: step.Wave, Site: step.Site, Expect: step.Expect, Baseline: step.Baseline}
	if b := step.BuildHost; b != nil {
		saved := saveHost(b)
		s.BuildHost = &saved
	}
	for _, k := range step.Hooks {
		s.Hooks = append(s.Hooks, savedHook{Before: hookStage(k.Before), After: hookStage(k.After), Command: k.Command, OnHost: k.OnHost, Timeout: k.Timeout})
	}
	if step.Err != nil {
		s.Error = step.Err.Error()
	}
	return s
}

func saveHost(h *schema.Host) savedHost {
	s := savedHost{
		Name: savedName(h.Name), Address: savedWord(h.Address), Port: h.Port, User: savedWord(h.User), HostKeys: h.HostKeys, Jump: savedWord(h.Jump),
		Privilege: h.Privilege, Local: h.Local, NoAddress: h.Unconnected, System: savedWord(h.System), Policy: h.Policy, Failed: h.FailedUnits, BuildOn: h.BuildOn, Substitute: h.Substitute,
		LimitRate: h.LimitRate, DiskUUID: savedWord(h.DiskUUID),
		Others: saveWays(h.Others), MeshWays: saveWays(h.MeshWays), SSH: saveSSH(&h.SSH), Become: h.PrivilegeCommand,
		Care: saveCare(&h.Care), GuestOf: savedWord(h.GuestOf), VariantOf: savedWord(h.VariantOf),
	}
	for _, role := range h.Roles {
		s.Roles = append(s.Roles, savedWord(role))
	}
	s.Secrets = saveSecrets(h.AllSecrets)
	s.Disks, s.Install = saveDisks(h), saveInstall(&h.Install)
	if p := h.Profile; p != nil {
		s.Profile = &savedProfile{Host: savedWord(h.Machine), Name: savedWord(p.Name), User: savedWord(p.User), Path: savedWord(p.Path), Activate: p.Activate}
	}
	for _, c := range h.Health {
		saved := savedCheck{
			Command: c.Command, HTTP: c.HTTP, Status: c.Status, TCP: c.TCP, Unit: c.Unit, FromHere: c.FromHere,
			Timeout: c.Timeout, Interval: c.Interval, Retries: c.Retries, About: c.Description, Before: c.Before, Insecure: c.Insecure,
		}
		for _, k := range c.Headers {
			saved.Headers = append(saved.Headers, savedHeader{Name: savedWord(k.Name), Value: k.Value})
		}
		s.Health = append(s.Health, saved)
	}
	return s
}

// ReadPlan reads a saved plan from a file, which only this user or root can have written.
func ReadPlan(name string) (*Plan, error) {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: MaxPlan, Trusted: true})
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	p, err := decodePlan(text)
	if err != nil {
		return nil, &PlanError{Name: name, At: place(text, err), Err: err}
	}
	return p, nil
}

// A PlanError says why a file is no plan.
type PlanError struct {
	Name string
	At   string // ":line:column", "" for the whole file
	Err  error
}

func (e *PlanError) Error() string {
	return fmt.Sprintf("%s%s: read plan: %v", printable(e.Name), e.At, e.Err)
}

// printable is the name of a file as a message has it.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(name)
	}
	return name
}

func (e *PlanError) Unwrap() error { return e.Err }

// place is where an error is in a text, as it stands behind a file's name.
func place(text []byte, err error) string {
	var wrong *strictjson.Error
	if !errors.As(err, &wrong) {
		return ""
	}
	line, column := wrong.Place(text)
	return fmt.Sprintf(":%d:%d", line, column)
}

// UnmarshalJSON reads a saved plan.
func (p *Plan) UnmarshalJSON(text []byte) error {
	read, err := decodePlan(text)
	if err == nil {
		*p = *read
	}
	return err
}

func decodePlan(text []byte) (*Plan, error) {
	var s savedPlan
	if err := versionOf(text); err != nil {
		return nil, err
	}
	if err := strictjson.Decode(text, &s, limitsOf(maxPlanMemory)); err != nil {
		return nil, err
	}
	if err := s.checkSum(text); err != nil {
		return nil, err
	}
	return s.load()
}

// versionOf fails for a plan of another version, whose fields are not known.
func versionOf(text []byte) error {
	head := text[:min(len(text), 100)]
	at := bytes.Index(head, []byte(`"muster_plan"`))
	if at < 0 {
		return nil // the fields are looked at
	}
	var version int64
	if n, _ := fmt.Sscanf(string(head[at:]), `"muster_plan":%d`, &version); n == 1 && version > planVersion {
		return fmt.Errorf("version %d is of a newer muster: want %d or older", version, planVersion)
	}
	return nil
}

func (s *savedPlan) load() (*Plan, error) {
	switch {
	case s.Version == 0:
		return nil, errors.New("it is no plan: it has no muster_plan")
	case s.Version < 1 || s.Version > planVersion:
		return nil, fmt.Errorf("muster_plan: version %d: want 1 to %d", s.Version, planVersion)
	case s.Action == "":
		return nil, errors.New("action: it is missing")
	}
	p := &Plan{
		Run: string(s.Run), Who: s.Who, Dir: s.Dir, Action: s.Action, Generation: s.Generation, Undo: string(s.Undo), Builders: s.Builders, OnlyThere: s.OnlyThere, Command: s.Command,
		Cache: schema.Cache{PushTo: s.PushTo, PullFrom: s.PullFrom, Peers: s.Peers},
		Rollout: schema.Rollout{
			MaxUnavailable: s.Rollout.MaxUnavailable, MaxFailures: s.Rollout.MaxFailures, Pause: s.Rollout.Pause, Confirm: s.Rollout.Confirm,
		},
		Wanted: Wanted{Reinstall: s.Reinstall, NoReboot: s.NoReboot, InPlace: s.InPlace},
		Steps:  s.Steps,
	}
	if k := s.Keep; k != nil {
		p.Keep = Keep{Last: k.Last, Newer: k.Newer, Dry: k.Dry}
	}
	for i := range s.BuildHosts {
		h := s.BuildHosts[i].load()
		if h.Name == "" || h.Address == "" {
			return nil, fmt.Errorf("builder_hosts[%d]: want a host with a name and an address", i)
		}
		p.BuilderHosts = append(p.BuilderHosts, h)
	}
	var err error
	if p.Cluster, err = s.Cluster.load(); err != nil {
		return nil, err
	}
	for i := range p.Steps {
		if step := &p.Steps[i]; step.Wave > len(p.Steps) {
			return nil, fmt.Errorf("steps[%d].wave: wave %d of %d steps", i, step.Wave, len(p.Steps))
		}
	}
	return p, nil
}

func (s *savedStep) load() (Step, error) {
	if s.Host.Name == "" {
		return Step{}, errors.New("a step without a host")
	}
	if p := s.Host.Profile; p == nil && strings.Contains(string(s.Host.Name), ":") || p != nil && (p.Host == "" || p.Path == "") {
		return Step{}, errors.New("profile: want one with host and path for HOST:PROFILE")
	}
	if (s.Host.Privilege == schema.Command) != (len(s.Host.Become) > 0) {
		return Step{}, errors.New("privilege: want a command with privilege_command, and with that only")
	}
	for i := range s.Host.Health {
		if !s.Host.Health[i].isOne() {
			return Step{}, fmt.Errorf("health[%d]: want one of command, http, tcp and unit", i)
		}
	}
	step := Step{Host: s.Host.load(), System: s.System, Paths: s.Paths, Wave: s.Wave, Site: s.Site, Expect: s.Expect, Baseline: s.Baseline}
	if b := s.BuildHost; b != nil {
		if step.BuildHost = b.load(); step.BuildHost.Name == "" {
			return Step{}, errors.New("build_host: want a host with a name")
		}
	}
	for _, k := range s.Hooks {
		switch {
		case len(k.Command) == 0:
			return Step{}, errors.New("a hook without a command")
		case (k.Before == "") == (k.After == ""):
			return Step{}, errors.New("a hook that is not before one stage or after one")
		}
		step.Hooks = append(step.Hooks, schema.Hook{Before: string(k.Before), After: string(k.After), Command: k.Command, OnHost: k.OnHost, Timeout: k.Timeout})
	}
	if s.Error != "" {
		step.Err = errors.New(s.Error)
	}
	return step, nil
}

// isOne reports whether the check is of exactly one kind.
func (c *savedCheck) isOne() bool {
	kinds := 0
	for _, is := range []bool{len(c.Command) > 0, c.HTTP != "", c.TCP != "", c.Unit != ""} {
		if is {
			kinds++
		}
	}
	return kinds == 1
}

func (s *savedHost) load() *schema.Host {
	h := &schema.Host{
		Name: string(s.Name), Address: string(s.Address), Port: s.Port, User: string(s.User), HostKeys: s.HostKeys, Jump: string(s.Jump),
		Privilege: s.Privilege, Local: s.Local, Unconnected: s.NoAddress, System: string(s.System), Policy: s.Policy, FailedUnits: s.Failed, BuildOn: s.BuildOn, Substitute: s.Substitute,
		LimitRate: s.LimitRate, DiskUUID: string(s.DiskUUID),
		Others: loadWays(s.Others), MeshWays: loadWays(s.MeshWays), SSH: s.SSH.load(), PrivilegeCommand: s.Become,
		Care: s.Care.load(), GuestOf: string(s.GuestOf), VariantOf: string(s.VariantOf),
	}
	for _, role := range s.Roles {
		h.Roles = append(h.Roles, string(role))
	}
	h.AllSecrets = loadSecrets(s.Secrets)
	h.Disks, h.Install = loadDisks(s.Disks), s.Install.load()
	if p := s.Profile; p != nil {
		h.Machine = string(p.Host)
		h.Profile = &schema.Profile{Name: string(p.Name), User: string(p.User), Path: string(p.Path), Activate: p.Activate}
	}
	for _, c := range s.Health {
		check := schema.Check{
			Command: c.Command, HTTP: c.HTTP, Status: c.Status, TCP: c.TCP, Unit: c.Unit, FromHere: c.FromHere,
			Timeout: c.Timeout, Interval: c.Interval, Retries: c.Retries, Description: c.About, Before: c.Before, Insecure: c.Insecure,
		}
		for _, k := range c.Headers {
			check.Headers = append(check.Headers, schema.Header{Name: string(k.Name), Value: k.Value})
		}
		h.Health = append(h.Health, check)
	}
	return h
}
