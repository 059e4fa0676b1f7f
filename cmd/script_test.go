package cmd

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"muster/exec/lab"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

var onSystemd = flag.Bool("systemd", false, "have the scripts' machines be ones that systemd boots")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"muster": func() { os.Exit(Main()) },
	})
}

// TestScripts runs the stories of testdata/script, one a file, named
// verb_case.txtar. Besides testscript's own commands they have
//
//	fleet NAME          lay down the example NAME, with minios beside it and the lab's key
//	                    as operator.pub, and enter it
//	[lab]               whether machines can be started here
//	lab HOST...         start real machines, known to ssh under the addresses of examples/kluster
//	host HOST CMD...    run a command on a machine without ssh; stdout is what it prints
//	down HOST, up HOST  power
//	newkey HOST         give a machine another host key
//	unplug HOST         pull a machine's network cable
//	put HOST FILE PATH  put a file on a machine without ssh; FILE muster is muster itself
//	edit FILE OLD NEW   replace a text in a file
func TestScripts(t *testing.T) {
	p := scriptParams()
	p.Dir, p.UpdateScripts = "testdata/script", *update
	testscript.Run(t, p)
}

// scriptParams are those of scripts with muster's own commands.
func scriptParams() testscript.Params {
	return testscript.Params{
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("NIX_CONFIG", "substitute = false\nsandbox = false\nbuild-users-group =")
			env.Setenv("TERM", "dumb")
			examples, err := filepath.Abs("../examples")
			if err != nil {
				return err
			}
			env.Setenv("EXAMPLES", examples)
			for _, name := range []string{"MUSTER_DEPLOY_RS", "MUSTER_FLAKE_UTILS"} { // of just test-deploy-rs
				env.Setenv(name, os.Getenv(name))
			}
			env.Values[labKey{}] = new(*lab.Lab)
			return nil
		},
		// [lab] is whether machines can be started here. If only a package is
		// missing, the script fails, so that nobody overlooks it.
		Condition: func(cond string) (bool, error) {
			if cond == "newnix" {
				return newestNix() != "", nil
			}
			if cond != "lab" {
				return false, fmt.Errorf("unknown condition %s", cond)
			}
			err := lab.Check()
			if errors.Is(err, lab.ErrUnsupported) {
				return false, nil
			}
			return err == nil, err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fleet":  scriptFleet,
			"lab":    scriptLab,
			"host":   scriptHost,
			"down":   scriptDown,
			"up":     scriptUp,
			"newkey": scriptNewKey,
			"unplug": scriptUnplug,
			"put":    scriptPut,
			"newnix": scriptNewNix,
			"edit":   scriptEdit,
		},
	}
}

// newestNix is the directory of the last Nix that just test-nix has unpacked; "" for none.
func newestNix() string {
	all := strings.Split(os.Getenv("MUSTER_TEST_NIX"), ",")
	_, dir, _ := strings.Cut(all[len(all)-1], "=")
	return dir
}

// scriptNewNix gives a host that Nix, in front of this machine's, and this machine's git
// and jq.
func scriptNewNix(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: newnix HOST")
	}
	h := labOf(ts).Host(args[0])
	ts.Check(h.InstallNix(newestNix()))
	files := []string{"/usr/lib/git-core"}
	for _, name := range []string{"git", "jq"} {
		path, err := osexec.LookPath(name)
		ts.Check(err)
		files = append(files, path)
		libraries, err := osexec.Command("ldd", path).Output()
		ts.Check(err)
		for word := range strings.FieldsSeq(string(libraries)) {
			if strings.HasPrefix(word, "/lib") && strings.Contains(word, ".so") {
				files = append(files, "/usr"+word)
			}
		}
	}
	for _, file := range files {
		// What the host has already stays, such as its C library.
		out, err := osexec.Command("cp", "-aLn", file, filepath.Join(h.Root(), filepath.Dir(file))).CombinedOutput()
		if err != nil {
			ts.Fatalf("%v: %s", err, out)
		}
	}
}

// labKey is where a script keeps its machines.
type labKey struct{}

func labOf(ts *testscript.TestScript) *lab.Lab {
	lab, ok := ts.Value(labKey{}).(**lab.Lab)
	if !ok || *lab == nil {
		ts.Fatalf("no lab: start one with lab HOST...")
	}
	return *lab
}

func scriptFleet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: fleet NAME")
	}
	examples, err := filepath.Abs("../examples")
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	ts.Check(os.CopyFS(dir, os.DirFS(filepath.Join(examples, args[0]))))
	ts.Check(os.Symlink(filepath.Join(examples, "minios"), filepath.Join(filepath.Dir(dir), "minios")))
	// Without the user's key in the fleet, deploying would lock the user out.
	if lab := *ts.Value(labKey{}).(**lab.Lab); lab != nil {
		key, err := lab.Hosts[0].ReadFile("/etc/ssh/authorized_keys.d/root")
		ts.Check(err)
		ts.Check(os.WriteFile(filepath.Join(dir, "operator.pub"), key, 0o644))
	}
	ts.Check(ts.Chdir(dir))
}

func scriptLab(ts *testscript.TestScript, neg bool, args []string) {
	systemd := len(args) > 0 && args[0] == "--systemd"
	if systemd {
		args = args[1:]
	}
	if neg || len(args) == 0 {
		ts.Fatalf("usage: lab [--systemd] HOST...")
	}
	alias := map[string][]string{}
	for _, h := range args {
		if a, ok := demoHosts[h]; ok {
			alias[h] = []string{a}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute) // systemd's tree may have to be made first
	defer cancel()
	l, err := lab.Start(ctx, lab.Options{Hosts: args, Alias: alias, Systemd: systemd || *onSystemd})
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	*ts.Value(labKey{}).(**lab.Lab) = l
	ts.Setenv("MUSTER_SSH_CONFIG", l.SSHConfig)
}

func scriptHost(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: host HOST CMD...")
	}
	host := labOf(ts).Host(args[0])
	if host == nil {
		ts.Fatalf("no machine %s", args[0])
	}
	out, err := host.Run(context.Background(), args[1:]...)
	fmt.Fprint(ts.Stdout(), out)
	if (err != nil) != neg {
		ts.Fatalf("%s on %s: %v\n%s", strings.Join(args[1:], " "), args[0], err, out)
	}
}

func scriptDown(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(labOf(ts).Host(args[0]).Stop())
}

func scriptUp(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(labOf(ts).Host(args[0]).Start(context.Background()))
}

func scriptNewKey(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(labOf(ts).Host(args[0]).ChangeHostKey(context.Background()))
}

func scriptUnplug(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(labOf(ts).Host(args[0]).Unplug())
}

func scriptPut(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: put HOST FILE PATH")
	}
	file := ts.MkAbs(args[1])
	if args[1] == "muster" {
		var err error
		file, err = os.Executable() // is muster where it is called so
		ts.Check(err)
	}
	content, err := os.ReadFile(file)
	ts.Check(err)
	ts.Check(labOf(ts).Host(args[0]).WriteFile(args[2], content, 0o755))
}

func scriptEdit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	text, err := os.ReadFile(name)
	ts.Check(err)
	if !strings.Contains(string(text), args[1]) {
		ts.Fatalf("%s has no %s", args[0], args[1])
	}
	ts.Check(os.WriteFile(name, []byte(strings.ReplaceAll(string(text), args[1], args[2])), 0o644))
}
