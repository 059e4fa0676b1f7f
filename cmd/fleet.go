package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/compile"
	"muster/exec"
	"muster/schema"
)

// inventory is the inventory that the arguments name.
func inventory(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return "."
}

// namesAndInventory splits the arguments of a verb that takes names and an inventory, which
// is the last and is told from a name by a slash in it, or by a dot where it is no fully
// qualified name: "." and names of inventories are not.
func namesAndInventory(args []string) (names, inventory []string) {
	if last := len(args) - 1; last >= 0 && isInventory(args[last]) {
		return args[:last], args[last:]
	}
	return args, nil
}

func isInventory(arg string) bool {
	switch filepath.Ext(arg) {
	case "":
		return strings.Contains(arg, "/")
	case ".", ".cue", ".toml", ".yaml", ".yml", ".json":
		return true
	}
	_, err := os.Stat(arg)
	return err == nil || strings.Contains(arg, "/")
}

// loadFlags say what computing the inventory may take.
type loadFlags struct {
	noRules
	timeout time.Duration
	memory  int

	unpinned bool       // inputs need no pin; no flag
	past     *pastFleet // the inventory of another revision; no flag
}

func (f *loadFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.NotNegative(&f.timeout, 0), "load-timeout", "let CUE compute the inventory for at most this `duration` of CPU time; 0 is 7s, and more for many megabytes of text")
	fs.Var(flags.Number(&f.memory, 0, 0, 1<<24), "load-memory", "let CUE take at most `MB` of memory for it; 0 is 1400")
}

// load reads the inventory that the arguments name. If it has problems, the error
// is [schema.Errors].
func (f *loadFlags) load(ctx context.Context, args []string) (*schema.Fleet, error) {
	defer relaxGC()()
	defer saveMemory()()
	where := inventory(args)
	if f.past != nil {
		where = f.past.where
	}
	fleet, err := schema.Load(ctx, where, f.options(nil))
	var problems schema.Errors
	if errors.As(err, &problems) {
		for _, p := range problems {
			if p.Rule == "limit" {
				p.Hint = strings.TrimPrefix(p.Hint+"; --load-timeout and --load-memory allow more", "; ")
			}
		}
		return nil, err
	}
	if err != nil && ctx.Err() == nil {
		return nil, inventoryError{noInventory(where, err)}
	}
	if err == nil {
		protectSecrets(fleet.Hosts)
		if f.past != nil {
			f.past.flakes(fleet)
		}
	}
	return fleet, err
}

// options are those of a load, in which some texts take the place of what files hold.
func (f *loadFlags) options(texts map[string][]byte) schema.Options {
	return schema.Options{Nix: compile.CheckNix, Data: compile.ReadData, Time: f.timeout, Memory: int64(f.memory) << 20, Unpinned: f.unpinned, Texts: texts}
}

// printWarningsOf prints the warnings about an inventory.
func printWarningsOf(fleet *schema.Fleet, std streams) {
	ui.NewProblemPrinter(std.err, ui.ColorAuto, ui.MostOfAKind).Print(fleet.Warnings)
}

// An inventoryError says that the inventory that was named cannot be read.
type inventoryError struct{ error }

func (e inventoryError) Unwrap() error { return e.error }

// selectFlags choose hosts of the fleet.
type selectFlags struct {
	noRules
	reading loadFlags
	on      string
	profile profileFlag

	// choose chooses the hosts of a verb that has its own way instead of --on.
	choose func(*schema.Fleet) ([]*schema.Host, error)
}

func (f *selectFlags) parts() []group { return []group{&f.reading} }

func (f *selectFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.on, "", selector), "on", "only the hosts of this `selector`: %s (default all hosts)")
}

// hosts returns the selected hosts, in the inventory's order. Names from standard
// input are read here.
func (f *selectFlags) hosts(std streams, fleet *schema.Fleet) ([]*schema.Host, error) {
	switch {
	case f.choose != nil:
		return f.choose(fleet)
	case f.on == "":
		return fleet.Hosts, nil
	case f.on == fromInput:
		return readNames(std, fleet)
	}
	hosts, err := schema.SelectFrom(fleet, f.on, func(h *schema.Host) bool { here, _ := isHere(h); return here })
	if err != nil {
		return nil, usageError{hinted{selectionError("--on "+f.on, err), "muster help selectors says how hosts are chosen, muster inventory list lists them"}}
	}
	return hosts, nil
}

// selectionError says what is wrong with a selector, which by names as the user gave it.
func selectionError(by string, err error) error {
	if wrong := (*schema.SelectorError)(nil); errors.As(err, &wrong) {
		err = wrong.Err
	}
	return fmt.Errorf("%s: %w", by, err)
}

// sshFlags say how hosts are connected to.
type sshFlags struct {
	noRules
	config         string
	client         string
	connectTimeout time.Duration
	answerTimeout  time.Duration

	here string // the host that is this machine, whatever its name; no flag
}

// What --ssh can be.
const (
	sshAuto    = "auto"
	sshBuiltIn = "builtin"
	sshOpenSSH = "openssh"
)

func (f *sshFlags) addFlags(fs *flags.Set) {
	fs.VarP(flags.FromEnvironment(&f.config, "MUSTER_SSH_CONFIG", sshConfig()), "ssh-config", "F",
		"read this SSH configuration `file` instead of the user's, as ssh -F (default $MUSTER_SSH_CONFIG)")
	fs.Var(flags.OneOf(&f.client, sshAuto, sshBuiltIn, sshOpenSSH), "ssh", "connect `by`: %s, which runs the ssh of this machine for what only it can; auto is as the inventory says, else builtin")
	fs.Var(flags.Positive(&f.connectTimeout, 10*time.Second), "connect-timeout", "give up on a connection attempt after this `duration`")
	fs.Var(flags.Positive(&f.answerTimeout, 30*time.Second), "answer-timeout", "give up on a question to a host, such as what it runs, after this `duration`")
}

// apply connects the run to hosts by SSH.
func (f *sshFlags) apply(s *session, _ *exec.Plan, o *exec.Options) {
	connect, done := wireConnect(f, s.warn)
	o.Connect, o.AnswerTimeout, s.ssh = connect, f.answerTimeout, f
	s.opened = append(s.opened, done)
}

// jobsFlag limits how many hosts are worked on at once.
type jobsFlag struct {
	noRules
	jobs int
}

// mostJobs is the largest number of hosts to work on at once.
const mostJobs = 100_000

func (f *jobsFlag) addFlags(fs *flags.Set) { addJobs(fs, &f.jobs) }

func addJobs(fs *flags.Set, jobs *int) {
	fs.VarP(flags.Number(jobs, 10, 1, mostJobs), "jobs", "j", "work on at most `n` hosts at once")
}

func (f *jobsFlag) apply(_ *session, _ *exec.Plan, o *exec.Options) { o.Jobs = f.jobs }

// hostFlags are those of the verbs that need no systems and no rollout: gc and
// generations.
type hostFlags struct {
	selection selectFlags
	ssh       sshFlags
	output    outputFlag
	jobs      jobsFlag
}

func (f *hostFlags) groups() []group { return []group{&f.selection, &f.ssh, &f.output, &f.jobs} }

// carryOut carries out an action on the selected hosts.
func (f *hostFlags) carryOut(ctx context.Context, std streams, args []string, action exec.Action, keep exec.Keep) error {
	s, err := begin(ctx, std, args, needs{selection: &f.selection, ui: f.output.reporter, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	plan := s.planWithoutSystems(action)
	plan.Keep = keep
	return s.run(ctx, plan, &f.ssh, &f.jobs)
}

// names are the names of hosts.
func names(hosts []*schema.Host) []string {
	var ns []string
	for _, h := range hosts {
		ns = append(ns, h.Name)
	}
	return ns
}
