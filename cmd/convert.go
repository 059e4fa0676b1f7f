package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"muster/cmd/flags"
	"muster/compile"
	"muster/compile/convert"
	"muster/compile/eval"
	"muster/compile/flake/fetch"
	"muster/compile/syntax"
	"muster/exec"
	"muster/exec/evaluate"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/secret"
	"muster/schema"
)

// convertOptions are those of convert, which turns a fleet of another deployer into an
// inventory.
type convertOptions struct {
	reading    loadFlags
	how        evaluateFlags
	from       convert.Kind
	out        string
	tool       string
	args       []flags.Pair
	argstrs    []flags.Pair
	recipients []string
	unchecked  bool
	replace    bool
	dry        bool
}

// anyKind is --from for the kind that the source shows.
const anyKind convert.Kind = "auto"

func (o *convertOptions) groups() []group { return []group{&o.reading, &o.how} }

func (o *convertOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&o.from, append([]convert.Kind{anyKind}, convert.Kinds...)...), "from", "the source is for this `deployer`: %s, which finds out")
	fs.Var(flags.Of(&o.out, "", flags.NewFile()), "out", "write the inventory to this CUE `file` (default hosts.cue beside the source)")
	fs.Var(flags.Of(&o.tool, "", flags.Existing()), "tool", "compare with what this Nix `file` of the deployer itself evaluates: src/nix/hive/eval.nix of colmena, data/eval-machines.nix of morph, nix/eval-machine-info.nix of NixOps")
	fs.Var(flags.ListOf(&o.args, nixArgument("an expression")), "arg", "give a source that is a function the argument `NAME EXPR`")
	fs.Var(flags.ListOf(&o.argstrs, nixArgument("a string")), "argstr", "give a source that is a function the argument `NAME STRING`")
	fs.Var(flags.ListOf(&o.recipients, recipient), "recipient", "encrypt keys whose content the source has to `whom`: an age recipient or SSH public key; several times for several")
	fs.Var(flags.Bool(&o.unchecked, false), "no-check", "do not compare the systems of the inventory with those of the source")
	fs.Var(flags.Bool(&o.replace, false), "replace", "replace files that are there")
	fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "write nothing and print the inventory")
}

func (o *convertOptions) check() error {
	if o.unchecked && o.tool != "" {
		return errors.New("--tool and --no-check exclude each other")
	}
	if o.out != "" && filepath.Ext(o.out) != ".cue" {
		return fmt.Errorf("--out %s: want a .cue file", o.out)
	}
	return nil
}

// recipient is the kind of an age recipient or SSH public key.
var recipient = flags.Kind[string]{
	Name: "recipient",
	Want: "an age recipient or an SSH public key, such as age1… or \"ssh-ed25519 AAAA…\"",
	Parse: func(text string) (string, error) {
		_, err := secret.ParseRecipient(text)
		return text, err
	},
}

// A moving is one use of convert.
type moving struct {
	*convertOptions
	std    streams
	ev     *eval.Evaluator
	source *convert.Source
	file   string // of the inventory
	result *convert.Conversion
	texts  map[string][]byte // of the files to write, by their names
	order  []string
}

func (o *convertOptions) run(ctx context.Context, std streams, args []string) error {
	m := &moving{convertOptions: o, std: std, texts: map[string][]byte{}}
	if err := m.find(args); err != nil {
		return err
	}
	defer holdCollector().release()
	done, err := m.evaluator()
	if err != nil {
		return err
	}
	defer done()
	if err := m.read(ctx); err != nil {
		return reportEvaluation(std, err, o.how.trace)
	}
	if err := m.prepare(); err != nil {
		return err
	}
	for _, n := range m.result.Notes {
		fmt.Fprintf(std.err, "note: %s\n", n)
	}
	if o.dry {
		_, err := std.doc.Write(m.texts[m.file])
		return err
	}
	files, err := m.write()
	if err != nil {
		return err
	}
	fleet, err := schema.Load(ctx, m.file, schema.Options{Nix: compile.CheckNix, Time: o.reading.timeout, Memory: int64(o.reading.memory) << 20})
	if err != nil {
		files.undo()
		return unsound(err)
	}
	for _, name := range m.order {
		fmt.Fprintf(std.out, "wrote %s\n", shownFile(name))
	}
	fmt.Fprintf(std.out, "converted %s of %s\n", human.Count(len(m.result.Hosts), "host"), m.result.Kind())
	if o.unchecked {
		return nil
	}
	return m.compare(ctx, fleet)
}

// unsound says that what convert wrote is no inventory.
func unsound(err error) error {
	var problems schema.Errors
	if errors.As(err, &problems) {
		err = problems.Invalid()
	}
	return fmt.Errorf("nothing is written, for the inventory would be wrong: %w", err)
}

// find finds the source: files, a directory or a flake.
func (m *moving) find(args []string) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the current directory: %v", err)
	}
	m.source = &convert.Source{Args: nixArgs(m.args, m.argstrs)}
	beside := dir
	for _, arg := range args {
		name, err := sourceFile(absolute(dir, arg))
		switch {
		case err == nil && filepath.Base(name) == "flake.nix":
			m.source.Flake, beside = arg, filepath.Dir(name)
		case err == nil:
			m.source.Files, beside = append(m.source.Files, name), filepath.Dir(name)
		case strings.Contains(arg, ":"):
			m.source.Flake = arg
		default:
			return usageError{fmt.Errorf("convert %s: %w", arg, err)}
		}
	}
	if m.source.Flake != "" && len(args) > 1 {
		return usageError{errors.New("convert: want one flake, or files of one network")}
	}
	if m.file = filepath.Join(beside, "hosts.cue"); m.out != "" {
		m.file = absolute(dir, m.out)
	}
	m.source.Dir = filepath.Dir(m.file)
	return m.locate(dir, beside)
}

// sourceFile is the file that a directory holds a fleet in, or the file itself.
func sourceFile(name string) (string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return "", errors.New("no such file or directory, and no flake reference")
	}
	if !info.IsDir() {
		return name, nil
	}
	for _, inside := range []string{"flake.nix", "hive.nix", "network.nix", "morph.nix", "deployment.nix", "nixops.nix"} {
		if file := filepath.Join(name, inside); isFile(file) {
			return file, nil
		}
	}
	return "", errors.New("no flake.nix, hive.nix or network.nix in it: name the file")
}

// locate finds out what a flake is called: by Nix, and in the inventory.
func (m *moving) locate(dir, beside string) error {
	if m.source.Flake == "" {
		return nil
	}
	local := isFile(filepath.Join(beside, "flake.nix")) && !strings.Contains(m.source.Flake, ":")
	text := m.source.Flake
	if local {
		text = beside
	}
	ref, _, err := fetch.Locate(text, dir)
	if err != nil {
		return usageError{fmt.Errorf("convert %s: %w", m.source.Flake, err)}
	}
	m.source.Flake, m.source.Here = ref.String(), ref.String()
	if rel, err := filepath.Rel(m.source.Dir, beside); local && err == nil {
		if m.source.Here = rel; !strings.HasPrefix(rel, ".") {
			m.source.Here = "./" + rel
		}
	}
	return nil
}

// nixArgs is a set of arguments, or "" for none.
func nixArgs(args, texts []flags.Pair) string {
	var b strings.Builder
	for _, a := range args {
		fmt.Fprintf(&b, "%s = (%s); ", a.Name, a.Value)
	}
	for _, a := range texts {
		fmt.Fprintf(&b, "%s = %s; ", a.Name, syntax.FormatExpr(syntax.StringList([]string{a.Value}).Elems[0]))
	}
	if b.Len() == 0 {
		return ""
	}
	return "{ " + b.String() + "}"
}

// evaluator makes the evaluator of the source.
func (m *moving) evaluator() (done func(), err error) {
	nix, _ := wireNix() // nil if Nix is not installed
	environment, err := m.how.environment(nix, []nixcmd.Setting{{Name: "extra-experimental-features", Value: "nix-command flakes"}}, m.std.err)
	if err != nil {
		return nil, err
	}
	if environment.Overrides, err = m.how.overridden(); err != nil {
		return nil, err
	}
	m.ev, done = environment.Evaluator(evaluate.Options{Trace: m.std.err, MaxTime: m.how.maxTime})
	return done, nil
}

// text evaluates an expression to a string.
func (m *moving) text(ctx context.Context, expr string) (string, error) {
	v, err := m.ev.Expr(ctx, expr, m.source.Dir)
	if err != nil {
		return "", err
	}
	return v.Raw(ctx)
}

// read evaluates the source and converts what it says.
func (m *moving) read(ctx context.Context) error {
	found, err := m.text(ctx, m.source.Detect())
	if err != nil {
		return err
	}
	var what struct{ Kind, Output string }
	if err := json.Unmarshal([]byte(found), &what); err != nil {
		return fmt.Errorf("read the kind of the source: %v", err)
	}
	m.source.Kind, m.source.Output = convert.Kind(what.Kind), what.Output
	if m.from != anyKind {
		m.source.Kind = m.from
	}
	if !slices.Contains(convert.Kinds, m.source.Kind) {
		return unknownSource(what.Kind)
	}
	if m.source.Flake == "" && !slices.Contains([]convert.Kind{convert.Colmena, convert.Morph, convert.NixOps}, m.source.Kind) {
		return usageError{fmt.Errorf("convert --from %s: want a flake; name its directory", string(m.source.Kind))}
	}
	facts, err := m.facts(ctx)
	if err != nil {
		return err
	}
	if len(facts.Hosts) == 0 {
		return errors.New("the source has no hosts")
	}
	if m.result = convert.New(m.source, facts); len(m.result.Hosts) == 0 {
		for _, n := range m.result.Notes {
			fmt.Fprintf(m.std.err, "note: %s\n", n)
		}
		return errors.New("the source has no host with a NixOS system: there is nothing to convert")
	}
	return nil
}

// facts evaluates what the source says of its hosts. Where a host does not evaluate, the
// others are evaluated one by one.
func (m *moving) facts(ctx context.Context) (*convert.Facts, error) {
	data, whole := m.text(ctx, m.source.Facts())
	if whole == nil {
		return convert.Read(data)
	}
	text, err := m.text(ctx, m.source.Names())
	if err != nil {
		return nil, whole
	}
	var names []string
	if err := json.Unmarshal([]byte(text), &names); err != nil {
		return nil, fmt.Errorf("read the names of the source's hosts: %v", err)
	}
	var all *convert.Facts
	var broken []convert.Broken
	for _, name := range names {
		data, err := m.text(ctx, m.source.Facts(name))
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			broken = append(broken, convert.Broken{Name: name, Why: reason(err)})
			continue
		}
		one, err := convert.Read(data)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = one
		} else {
			all.Hosts = append(all.Hosts, one.Hosts...)
		}
	}
	if all == nil {
		return nil, whole
	}
	all.Broken = broken
	return all, nil
}

// unknownSource says why the deployer of a source is not known.
func unknownSource(found string) error {
	why := "it has none of colmenaHive, colmena, deploy.nodes, nixopsConfigurations, nixosConfigurations, meta and network"
	switch found {
	case "function":
		why = "it is a function: colmena and NixOps take those"
	case "network":
		why = "morph, NixOps and colmena have networks like it"
	}
	return usageError{fmt.Errorf("which deployer the source is for is not told by what it holds (%s): say it with --from", why)}
}

// prepare makes the texts of all files.
func (m *moving) prepare() error {
	if err := m.seal(); err != nil {
		return err
	}
	if nodes := m.source.Nodes(); nodes != nil {
		f, err := syntax.ParseFile(convert.NodesFile, nodes, syntax.Options{Comments: true})
		if err != nil {
			return fmt.Errorf("write %s: %w", convert.NodesFile, err)
		}
		m.add(filepath.Join(m.source.Dir, convert.NodesFile), syntax.Format(f))
	}
	text, err := m.result.Inventory(m.recipients)
	if err != nil {
		return err
	}
	m.add(m.file, text)
	return nil
}

// add adds a file to write.
func (m *moving) add(name string, text []byte) {
	m.order = append(m.order, name)
	m.texts[name] = text
}

// seal encrypts keys whose content stands in the source. Without recipients, they are
// refused: an inventory has no secrets in plain text.
func (m *moving) seal() error {
	if len(m.result.Texts) == 0 {
		return nil
	}
	if len(m.recipients) == 0 {
		var names []string
		for _, t := range m.result.Texts {
			names = append(names, fmt.Sprintf("%s of %s", t.Secret, strings.Join(t.Hosts, ", ")))
		}
		return hinted{fmt.Errorf("the content of %s stands in the source (text), and an inventory takes no secret in plain text: %s", human.Count(len(names), "key"), strings.Join(names, "; ")),
			"--recipient age1… (or an SSH public key) writes them as age files; or give the keys keyFile or keyCommand in the source"}
	}
	for _, t := range m.result.Texts {
		sealed, err := secret.SealFile([]byte(t.Is), m.recipients...)
		if err != nil {
			return fmt.Errorf("encrypt the key %s: %v", t.Secret, err)
		}
		m.add(filepath.Join(m.source.Dir, t.File), sealed)
	}
	return nil
}

// write writes the files, unless one is there that is not to be replaced.
func (m *moving) write() (*writtenFiles, error) {
	for _, name := range m.order {
		before, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, fmt.Errorf("write %s: %w", shownFile(name), err)
		case !m.replace && !bytes.Equal(before, m.texts[name]):
			return nil, hinted{fmt.Errorf("%s is there already: nothing is written", shownFile(name)), "--out names another inventory; --replace replaces it"}
		}
	}
	files := new(writtenFiles)
	for _, name := range m.order {
		if err := files.write(name, m.texts[name]); err != nil {
			files.undo()
			return nil, err
		}
	}
	return files, nil
}

// shownFile is the name of a file as the user would write it.
func shownFile(name string) string {
	if dir, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(dir, name); err == nil && !strings.HasPrefix(rel, "../..") {
			return rel
		}
	}
	return name
}

// compare compares the systems of the inventory, without its secrets, with those of the
// source.
func (m *moving) compare(ctx context.Context, fleet *schema.Fleet) error {
	tool, attrs := "", map[string][]string{}
	if m.tool != "" {
		tool, _ = filepath.Abs(m.tool)
	}
	systems := slices.DeleteFunc(slices.Clone(fleet.Hosts), func(h *schema.Host) bool { return h.NoSystem })
	for _, h := range m.result.Hosts {
		if !h.Bare {
			attrs[h.Source] = h.Attr
		}
	}
	if len(attrs) == 0 {
		return nil
	}
	theirs, err := m.toplevels(ctx, tool, attrs)
	if err != nil {
		return err
	}
	withoutSecrets(fleet)
	results, err := m.how.systems(ctx, nil, fleet, systems, m.std.err)
	if results == nil {
		return err
	}
	return m.verdict(theirs, results, len(attrs))
}

// A sourceSystem is the derivation of a host's system by the source, or why there is none.
type sourceSystem struct {
	drv string
	err error
}

// toplevels evaluates the derivations of the source's systems: all, or one by one where
// one of them fails.
func (m *moving) toplevels(ctx context.Context, tool string, attrs map[string][]string) (map[string]sourceSystem, error) {
	found := map[string]sourceSystem{}
	expr, err := m.source.Toplevels(tool, attrs)
	if err != nil {
		return nil, usageError{fmt.Errorf("--tool: %w", err)}
	}
	text, err := m.text(ctx, expr)
	if err == nil {
		var drvs map[string]string
		err = json.Unmarshal([]byte(text), &drvs)
		for name, drv := range drvs {
			found[name] = sourceSystem{drv: drv}
		}
		return found, err
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for name, attr := range attrs {
		if len(attrs) == 1 {
			found[name] = sourceSystem{err: err}
			break
		}
		one, err := m.toplevels(ctx, tool, map[string][]string{name: attr})
		if err != nil {
			return nil, err
		}
		found[name] = one[name]
	}
	return found, nil
}

// withoutSecrets takes the secrets of a fleet away.
func withoutSecrets(f *schema.Fleet) {
	f.Defaults.Secrets = nil
	for _, r := range f.Roles {
		r.Secrets = nil
	}
	for _, h := range f.Hosts {
		h.Secrets, h.AllSecrets = nil, nil
	}
}

// verdict reports which hosts have the systems that they have by the source.
func (m *moving) verdict(theirs map[string]sourceSystem, results []evaluate.Result, systems int) error {
	equal, wrong, keys := 0, 0, 0
	for i, h := range m.result.Hosts {
		if h.Bare {
			continue
		}
		there, ours := theirs[h.Source], resultOf(results, h.Name)
		switch {
		case there.err != nil:
			fmt.Fprintf(m.std.err, "%s: not compared: its system does not evaluate in the source: %s\n", h.Source, m.result.InSource(reason(there.err)))
		case ours.Err != nil:
			fmt.Fprintf(m.std.err, "%s: %s: %v\n", h.Name, exec.Evaluate, ours.Err)
			wrong++
		case there.drv != string(ours.System.Drv):
			fmt.Fprintf(m.std.err, "%s: another system than in the source: %s there, %s here\n", h.Name, there.drv, ours.System.Drv)
			wrong++
		default:
			equal++
			if m.result.Hosts[i].Secrets > 0 {
				keys++
			}
		}
	}
	by := "the source"
	if m.tool != "" {
		by = shownFile(m.tool)
	}
	fmt.Fprintf(m.std.out, "compared: %d of %s with the derivation that they have by %s\n", equal, human.Count(systems, "system"), by)
	if keys > 0 {
		fmt.Fprintf(m.std.out, "%s more units for their secrets than in the source\n", hostsHave(keys))
	}
	if wrong > 0 {
		return exitError(exec.ExitPartly)
	}
	return nil
}

// reason is an error in a line: its place in the source, the option that was evaluated,
// and the message.
// Where the message announces more, as that of failed assertions does, what follows is
// part of it.
func reason(err error) string {
	message, where := err.Error(), ""
	var own *eval.Error
	if errors.As(err, &own) {
		if message = own.Msg; own.Pos.IsValid() && own.Pos.File() != "«string»" {
			where = own.Pos.String() + ": "
		}
		if option := evaluatedOption(own); option != "" {
			where += option + ": "
		}
	}
	first, rest, _ := strings.Cut(strings.TrimSpace(message), "\n")
	if strings.HasSuffix(first, ":") {
		first += " " + strings.Join(strings.Fields(rest), " ")
	}
	return human.Plain(where + first)
}

// evaluatedOption is the innermost option of NixOS whose evaluation led to an error.
func evaluatedOption(err *eval.Error) string {
	for _, step := range err.Trace {
		if rest, ok := strings.CutPrefix(step.Text, "while evaluating the option `"); ok {
			option, _, _ := strings.Cut(rest, "'")
			return option
		}
	}
	return ""
}

func hostsHave(n int) string {
	if n == 1 {
		return "1 host has"
	}
	return human.Count(n, "host") + " have"
}

func resultOf(results []evaluate.Result, name string) evaluate.Result {
	for _, r := range results {
		if r.Host.Name == name {
			return r
		}
	}
	return evaluate.Result{Err: errors.New("it is not in the inventory")}
}
