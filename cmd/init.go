package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec/foreign"
	"muster/schema"
)

// initOptions are those of init, which begins a fleet.
type initOptions struct {
	noRules
	from string
	yes  bool
}

func (o *initOptions) groups() []group { return nil }

func (o *initOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&o.from, "", startingPoint), "from", "begin with `what` is there: %s")
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "ask nothing, also not before files are changed")
}

// startingPoint is the kind of what a fleet is begun from.
var startingPoint = flags.Kind[string]{
	Name:  "beginning",
	Want:  "a machine such as root@192.0.2.1, an inventory in TOML, YAML or JSON, or the fleet of another tool (hive.nix, network.nix, a flake's directory)",
	Names: flags.AnyFile,
	Parse: func(text string) (string, error) {
		if isMachine(text) {
			return text, nil
		}
		if _, err := os.Stat(text); err != nil {
			return "", errors.New("no such file, and no USER@ADDRESS")
		}
		return text, nil
	},
}

// isMachine reports whether a text is USER@ADDRESS, and no file.
func isMachine(text string) bool {
	if _, err := os.Stat(text); err == nil || !strings.Contains(text, "@") {
		return false
	}
	_, err := parseWay(text)
	return err == nil
}

func (o *initOptions) run(ctx context.Context, std streams, args []string) error {
	dir := inventory(args)
	if o.from == "" {
		if err := noOtherInventory(dir); err != nil {
			return err
		}
		from, err := o.ask(std, dir)
		if err != nil {
			return err
		}
		o.from = from
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return usageError{fmt.Errorf("init: %s is a file: want a directory to begin the fleet in; muster init --from %s begins one with a file", dir, dir)}
	}
	switch ext := filepath.Ext(o.from); {
	case o.from == "":
		return o.template(std, dir)
	case isMachine(o.from):
		return o.machine(ctx, std, dir)
	case ext == ".toml" || ext == ".yaml" || ext == ".yml" || ext == ".json":
		return o.data(std, dir)
	}
	return o.otherTool(ctx, std, dir)
}

// noOtherInventory refuses a directory with an inventory that hosts.cue would hide.
func noOtherInventory(dir string) error {
	for _, other := range []string{"hosts.toml", "hosts.yaml", "hosts.yml", "hosts.json"} {
		if _, err := os.Stat(filepath.Join(dir, other)); err == nil {
			return usageError{fmt.Errorf("init: %s is an inventory already, and hosts.cue would take its place: muster vet checks it, and muster init --from %s writes hosts.cue of it", other, other)}
		}
	}
	return nil
}

// ask asks a person at a terminal with what to begin.
func (o *initOptions) ask(std streams, dir string) (string, error) {
	if _, err := os.Stat(filepath.Join(dir, "hosts.cue")); err == nil || o.yes || !ui.IsTerminal(std.err) || !isTerminalIn(std.in) {
		return "", nil
	}
	for {
		fmt.Fprint(std.err, "Begin with a machine that runs (root@ADDRESS), or with the file of another tool?\nIts address or name, or Enter for an example: ")
		line, err := bufio.NewReader(std.in).ReadString('\n')
		if err != nil && err != io.EOF {
			return "", fmt.Errorf("read the answer: %v", err)
		}
		answer := strings.TrimSpace(line)
		if answer == "" {
			return "", nil
		}
		if _, wrong := startingPoint.Parse(answer); wrong == nil {
			return answer, nil
		}
		if err == io.EOF {
			return "", usageError{fmt.Errorf("init: %s: want %s", answer, startingPoint.Want)}
		}
		fmt.Fprintf(std.err, "%s is none: want %s\n", answer, startingPoint.Want)
	}
}

// isTerminalIn reports whether a person can answer.
func isTerminalIn(r io.Reader) bool {
	f, ok := r.(*os.File)
	return ok && ui.IsTerminal(f)
}

// template writes an example, with the key of the user.
func (o *initOptions) template(std streams, dir string) error {
	key := ownPublicKey()
	if err := writeNew(std, dir, key); err != nil {
		return err
	}
	steps := []string{"write your machines into " + filepath.Join(dir, "hosts.cue") + ": name, address, disks; muster schema says what else a host has"}
	if key == "" {
		steps = append(steps, "put the public key you log in with in the place of \"ssh-ed25519 AAAA…\"; ssh-keygen makes one")
	}
	nextSteps(std, append(steps, "muster vet"+behind(dir), "muster plan"+behind(dir))...)
	return nil
}

// machine adopts a machine.
func (o *initOptions) machine(ctx context.Context, std streams, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("init: make %s: %w", dir, err)
	}
	words := []string{"adopt"}
	if o.yes {
		words = append(words, "--yes")
	}
	if err := again(ctx, std, append(words, o.from, filepath.Join(dir, "hosts.cue"))...); err != nil {
		return err
	}
	if err := writeNew(std, dir, ""); err != nil {
		return err
	}
	nextSteps(std, "muster vet"+behind(dir), "muster plan"+behind(dir)+"   (shows what deploying it would change)", "change "+filepath.Join(dir, "hosts.cue")+", and muster plan again")
	return nil
}

// data writes hosts.cue of an inventory in another language.
func (o *initOptions) data(std streams, dir string) error {
	if filepath.Clean(filepath.Dir(o.from)) != filepath.Clean(dir) {
		return usageError{fmt.Errorf("init: %s stays where it is, as the files that it names are found from there: muster init --from %s %s", o.from, o.from, filepath.Dir(o.from))}
	}
	name := filepath.Join(dir, "hosts.cue")
	if _, err := os.Lstat(name); err == nil {
		return usageError{fmt.Errorf("init: %s is there already", name)}
	}
	text, err := schema.DataToCUE(o.from)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("init: write %s: %w", name, err)
	}
	fmt.Fprintf(std.out, "wrote %s\n", name)
	if err := writeNew(std, dir, ""); err != nil {
		return err
	}
	nextSteps(std, "muster vet"+behind(dir), "delete "+o.from+": hosts.cue takes its place", "muster plan"+behind(dir))
	return nil
}

// otherTool converts the fleet of another tool.
func (o *initOptions) otherTool(ctx context.Context, std streams, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("init: make %s: %w", dir, err)
	}
	if err := again(ctx, std, "convert", o.from, "--out", filepath.Join(dir, "hosts.cue")); err != nil {
		return err
	}
	if err := writeNew(std, dir, ""); err != nil {
		return err
	}
	nextSteps(std, "muster vet"+behind(dir), "muster plan"+behind(dir), "muster help coming-from   (the commands of other tools, and ours)")
	return nil
}

// again runs a command of muster.
func again(ctx context.Context, std streams, args ...string) error {
	root := newRoot(std)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

// writeNew writes what is not there yet of an inventory: hosts.cue, with the key of the
// user if it is not empty, and the module with the schema.
func writeNew(std streams, dir, key string) error {
	files, err := schema.Init(dir, key)
	for _, f := range files {
		fmt.Fprintf(std.out, "wrote %s\n", f)
	}
	return err
}

// ownPublicKey is the public key that the user most probably logs in with, or "".
func ownPublicKey() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	for _, name := range []string{"id_ed25519.pub", "id_ecdsa.pub", "id_rsa.pub"} {
		text, err := foreign.ReadFile(filepath.Join(home, ".ssh", name), foreign.Limits{Size: 16 << 10, Links: true})
		key := strings.TrimSpace(string(text))
		if err == nil && !strings.ContainsAny(key, "\n\"\\") && strings.Count(key, " ") >= 1 {
			return key
		}
	}
	return ""
}

// behind is the directory of an inventory behind a command, "" for this one.
func behind(dir string) string {
	if filepath.Clean(dir) == "." {
		return ""
	}
	return " " + dir
}

// nextSteps prints what to do next.
func nextSteps(std streams, steps ...string) {
	fmt.Fprintln(std.out, "\nnext:")
	for _, s := range steps {
		fmt.Fprintf(std.out, "  %s\n", s)
	}
}
