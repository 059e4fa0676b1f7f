// Package provision runs the user's OpenTofu or Terraform on the configuration that package compile/tofu writes, and reads the
// machines back that it made.
//
//	t, err := provision.Open(program, dir, os.Stderr)
//	err = t.Init(ctx)
//	changes, err := t.Plan(ctx, provision.Request{Out: plan})
//	err = t.Apply(ctx, plan)
//	machines, err := t.Machines(ctx)
//
// What only reads goes through hashicorp/terraform-exec. Apply does not: that library has the kernel kill the program with
// SIGKILL when muster dies (PR_SET_PDEATHSIG), so that a machine whose creation had begun would be in no state. Apply starts the
// program in a session of its own, with its output in a file: it finishes what it does, whatever becomes of muster, and the next
// run of muster waits for its lock on the state.
package provision

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"

	"muster/compile/tofu"
	"muster/schema"
)

// lockTimeout is how long the program waits for another one that has its state, such as
// one that a killed muster left behind.
const lockTimeout = "10m"

// An Error is what the program said when it failed.
type Error struct {
	What   string // "plan"
	Err    error
	Stderr string
}

func (e *Error) Error() string {
	if text := strings.TrimSpace(e.Stderr); text != "" {
		return fmt.Sprintf("%s: %s", e.What, text)
	}
	return fmt.Sprintf("%s: %v", e.What, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// A Tofu is an OpenTofu or Terraform in a folder.
type Tofu struct {
	Program string // its path
	dir     string
	tf      *tfexec.Terraform
	out     io.Writer // what it prints
}

// Find returns the path of the program that an inventory names, or of the first one there
// is.
func Find(name string) (string, error) {
	if name != "" {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("find %s, which provision.program names: %w", name, bare(err))
		}
		return filepath.Abs(path)
	}
	for _, name := range []string{"tofu", "terraform"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("find tofu or terraform: neither is in PATH")
}

// bare is an error of exec.LookPath without the name.
func bare(err error) error {
	if e := (*exec.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Open prepares a program for a folder of configuration. What it prints goes to out.
func Open(program, dir string, out io.Writer) (*Tofu, error) {
	tf, err := tfexec.NewTerraform(dir, program)
	if err != nil {
		return nil, fmt.Errorf("run %s in %s: %w", program, dir, err)
	}
	return &Tofu{Program: program, dir: dir, tf: tf, out: out}, nil
}

// run runs one command of the library, and keeps what the program says about errors.
func (t *Tofu) run(what string, do func() error) error {
	var stderr bytes.Buffer
	t.tf.SetStderr(&stderr)
	t.tf.SetStdout(&lockWatch{program: filepath.Base(t.Program), out: t.out})
	defer t.tf.SetStderr(io.Discard)
	defer t.tf.SetStdout(io.Discard)
	if err := do(); err != nil {
		return &Error{What: filepath.Base(t.Program) + " " + what, Err: err, Stderr: stderr.String()}
	}
	return nil
}

// Init fetches the providers and opens the backend.
func (t *Tofu) Init(ctx context.Context) error {
	return t.run("init", func() error { return t.tf.Init(ctx) })
}

// A Request says what a plan is to be about.
type Request struct {
	Out     string   // the file of the plan
	Destroy bool     // destroy instead of make
	Only    []string // addresses of resources; nil means all
}

// A Change is what a plan does with one resource.
type Change struct {
	Address string `json:"resource"`
	Action  Action `json:"action"`
	ID      string `json:"id,omitempty"` // that it has now
	// Owner is the host whose machine it is now, as the state says; "" for none.
	Owner string `json:"-"`
}

// Loses reports whether what is there is lost.
func (c Change) Loses() bool { return c.Action == Destroy || c.Action == Replace }

// Label is the name of the resource.
func (c Change) Label() string { return tofu.LabelOf(c.Address) }

// An Action is what becomes of a resource.
type Action string

// The actions.
const (
	Create  Action = "create"
	Update  Action = "update"
	Replace Action = "replace"
	Destroy Action = "destroy"
)

// Plan writes a plan to a file, and returns what it changes.
func (t *Tofu) Plan(ctx context.Context, r Request) ([]Change, error) {
	options := []tfexec.PlanOption{tfexec.Out(r.Out), tfexec.LockTimeout(lockTimeout)}
	if r.Destroy {
		options = append(options, tfexec.Destroy(true))
	}
	for _, address := range r.Only {
		options = append(options, tfexec.Target(address))
	}
	if err := t.run("plan", func() error { _, err := t.tf.Plan(ctx, options...); return err }); err != nil {
		return nil, err
	}
	return t.Changes(ctx, r.Out)
}

// Changes are what the plan in a file changes.
func (t *Tofu) Changes(ctx context.Context, plan string) (changes []Change, err error) {
	var p *tfjson.Plan
	if err := t.run("show", func() (err error) { p, err = t.tf.ShowPlanFile(ctx, plan); return err }); err != nil {
		return nil, err
	}
	owners := ownersOf(p)
	for _, r := range p.ResourceChanges {
		if r.Change == nil || r.Mode == tfjson.DataResourceMode {
			continue
		}
		c := Change{Address: r.Address, ID: idOf(r.Change.Before)}
		if o := owners[r.Name]; tofu.IsMachine(r.Type) || o.id != "" && o.id == c.ID {
			c.Owner = o.host
		}
		switch a := r.Change.Actions; {
		case a.Replace():
			c.Action = Replace
		case a.Create():
			c.Action = Create
		case a.Update():
			c.Action = Update
		case a.Delete():
			c.Action = Destroy
		default:
			continue
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// An owner is the host of a machine, and the id of that.
type owner struct{ host, id string }

// ownersOf are the hosts of the machines in the state that a plan begins with, by the names
// of their resources.
func ownersOf(p *tfjson.Plan) map[string]owner {
	owners := map[string]owner{}
	if p.PriorState == nil || p.PriorState.Values == nil {
		return owners
	}
	for name, output := range p.PriorState.Values.Outputs {
		label, ours := strings.CutPrefix(name, tofu.OutputPrefix)
		fields, _ := output.Value.(map[string]any)
		if host, _ := fields["host"].(string); ours && host != "" {
			owners[label] = owner{host, idOf(fields)}
		}
	}
	return owners
}

// idOf is the id of a resource in a plan; "" for none.
func idOf(values any) string {
	fields, ok := values.(map[string]any)
	if !ok || fields["id"] == nil {
		return ""
	}
	return fmt.Sprint(fields["id"])
}

// Describe returns the plan in a file as the program shows it.
func (t *Tofu) Describe(ctx context.Context, plan string) (text string, err error) {
	err = t.run("show", func() (err error) { text, err = t.tf.ShowPlanFileRaw(ctx, plan); return err })
	return text, err
}

// Apply carries out the plan in a file. When ctx ends, the program is asked to finish what
// it has begun.
func (t *Tofu) Apply(ctx context.Context, plan string) error {
	log, err := os.CreateTemp("", "muster-provision-*.log")
	if err != nil {
		return err
	}
	defer os.Remove(log.Name())
	defer log.Close()
	cmd := exec.Command(t.Program, "apply", "-input=false", "-no-color", "-lock-timeout="+lockTimeout, plan)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.dir, log, log
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run %s: %w", t.Program, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	err = t.follow(ctx, cmd, log, ended)
	if err == nil {
		return nil
	}
	return &Error{What: filepath.Base(t.Program) + " apply", Err: err, Stderr: lastError(endOf(log))}
}

// mostError is how much of the end of a program's output is searched for its error, in bytes.
const mostError = 1 << 20

// endOf is the end of an open file.
func endOf(f *os.File) string {
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	text := make([]byte, min(info.Size(), mostError))
	n, _ := f.ReadAt(text, info.Size()-int64(len(text)))
	return string(text[:n])
}

// follow shows what the program writes to a file until it has ended.
func (t *Tofu) follow(ctx context.Context, cmd *exec.Cmd, log *os.File, ended <-chan error) error {
	shown := int64(0)
	show := func() {
		// The offset of the file is that of the program, which writes to it.
		n, _ := io.Copy(t.out, io.NewSectionReader(log, shown, 1<<62))
		shown += n
	}
	defer show()
	interrupted := ctx.Done()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-interrupted:
			interrupted = nil
			cmd.Process.Signal(os.Interrupt)
		case <-tick.C:
			show()
		}
	}
}

// lastError is the part of a program's output that says why it failed.
func lastError(text string) string {
	if at := strings.Index(text, "Error: "); at >= 0 {
		return text[at:]
	}
	return ""
}

// A State is what has become of the machines of hosts.
type State struct {
	Machines []schema.PinnedMachine // that are made, in the order of the hosts
	Waiting  []string               // hosts whose machines are made, and have no address yet
}

// Machines are the machines of the state that belong to hosts. One whose creation failed midway is none: the next plan makes it
// anew.
func (t *Tofu) Machines(ctx context.Context, hosts []*schema.Host) (s State, err error) {
	var outputs map[string]tfexec.OutputMeta
	if err := t.run("output", func() (err error) { outputs, err = t.tf.Output(ctx); return err }); err != nil {
		return State{}, err
	}
	there, err := t.resources(ctx)
	if err != nil {
		return State{}, err
	}
	for _, h := range hosts {
		if !there[tofu.Address(h)] {
			continue // destroyed: the output is that of the last whole apply
		}
		name := tofu.Output(h)
		m, err := parseMachine(outputs[name].Value)
		switch {
		case err != nil:
			return State{}, fmt.Errorf("output %s: %w", name, err)
		case m == nil:
			s.Waiting = append(s.Waiting, h.Name)
		default:
			m.Host = h.Name
			s.Machines = append(s.Machines, *m)
		}
	}
	return s, nil
}

// Refresh reads what has become of the resources in the state.
func (t *Tofu) Refresh(ctx context.Context) error {
	return t.run("refresh", func() error { return t.tf.Refresh(ctx, tfexec.LockTimeout(lockTimeout)) })
}

// resources are the addresses of the resources in the state that are whole.
func (t *Tofu) resources(ctx context.Context) (map[string]bool, error) {
	var state *tfjson.State
	if err := t.run("show", func() (err error) { state, err = t.tf.Show(ctx); return err }); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	if state.Values != nil && state.Values.RootModule != nil {
		for _, r := range state.Values.RootModule.Resources {
			there[r.Address] = !r.Tainted
		}
	}
	return there, nil
}

// parseMachine reads the output of one machine. It is nil for one that is not made yet.
func parseMachine(value json.RawMessage) (*schema.PinnedMachine, error) {
	if len(value) == 0 {
		return nil, nil
	}
	var one struct {
		Address  string          `json:"address"`
		ID       json.RawMessage `json:"id"`
		Target   string          `json:"target"`
		HostKeys json.RawMessage `json:"host_keys"`
		Disks    json.RawMessage `json:"disks"`
	}
	if err := json.Unmarshal(value, &one); err != nil {
		return nil, fmt.Errorf("want an address and an id: %v", err)
	}
	id, err := idText(one.ID)
	if err != nil {
		return nil, err
	}
	if one.Address == "" || id == "" {
		return nil, nil
	}
	m := &schema.PinnedMachine{Target: schema.ProvisionTarget(one.Target), Address: one.Address, ID: id}
	if m.HostKeys, err = texts(one.HostKeys); err != nil {
		return nil, fmt.Errorf("host_keys: %w", err)
	}
	if m.Disks, err = namedTexts(one.Disks); err != nil {
		return nil, fmt.Errorf("disks: %w", err)
	}
	return m, nil
}

// idText reads an id: a text or a number; "" for none.
func idText(value json.RawMessage) (id string, err error) {
	if len(value) == 0 || json.Unmarshal(value, &id) == nil { // null is none
		return id, nil
	}
	var number json.Number
	if json.Unmarshal(value, &number) != nil {
		return "", errors.New("id: want a text or a number")
	}
	return number.String(), nil
}

// texts reads a text, or a list of them, or nothing.
func texts(value json.RawMessage) (list []string, err error) {
	if len(value) == 0 || string(value) == "null" {
		return nil, nil
	}
	var one string
	if json.Unmarshal(value, &one) == nil {
		for line := range strings.Lines(one) {
			if line = strings.TrimSpace(line); line != "" {
				list = append(list, line)
			}
		}
		return list, nil
	}
	if json.Unmarshal(value, &list) != nil {
		return nil, errors.New("want a text or a list of texts")
	}
	return list, nil
}

// namedTexts reads texts by name, or a list of them, which are named by their numbers.
func namedTexts(value json.RawMessage) (named map[string]string, err error) {
	if len(value) == 0 || string(value) == "null" || json.Unmarshal(value, &named) == nil {
		return named, nil
	}
	list, err := texts(value)
	if err != nil {
		return nil, errors.New("want a list of devices, or devices by name")
	}
	named = map[string]string{}
	for i, device := range list {
		named[fmt.Sprintf("disk%d", i+1)] = device
	}
	return named, nil
}
