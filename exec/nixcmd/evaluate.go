package nixcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"muster/compile/store"
	"muster/compile/syntax"
)

// A Network is a network expression to evaluate, and for which hosts.
type Network struct {
	File   *syntax.File // the network expression; paths in it are absolute
	Driver string       // the Nix function from the network to a set of systems
	Hosts  []string     // the hosts to evaluate

	Features   []string      // experimental features that it takes
	Builds     bool          // evaluation builds, so that a query writes to the store
	SearchPath []string      // entries for -I
	Trace      io.Writer     // gets the lines of builtins.trace; may be nil
	MaxTime    time.Duration // how long the evaluation of a host may take; 0 is no limit
	Pure       *Purity       // evaluates purely; nil to evaluate as nix-instantiate does
}

// NetworkFile is what Nix's messages call the network expression.
const NetworkFile = "network.nix"

const driverFile = "driver.nix"

// A System is what a host evaluates to.
type System struct {
	Drv      store.Path // the derivation, written to the store
	Out      store.Path // what it will build
	Warnings []string   // NixOS's warnings about the host's configuration
}

// A Result is the value that one host of a network evaluates to, or its error.
type Result[T any] struct {
	Host  string
	Value T
	Err   error // an [ExitError]
}

// Evaluate evaluates the hosts of a network in one process, and writes their
// derivations to the store. If that fails, it evaluates each host in a process
// of its own: then only the hosts with an error in them fail. The results are in
// the order of net.Hosts. The error says that nothing could be evaluated at all.
func (n *Nix) Evaluate(ctx context.Context, net Network) ([]Result[System], error) {
	type summary struct {
		Drv, Out string
		Warnings []string
	}
	summaries, interrupt := evaluate[summary](ctx, n, net, nil)
	if summaries == nil {
		return nil, interrupt
	}
	var results []Result[System]
	for _, r := range summaries {
		result := Result[System]{Host: r.Host, Err: r.Err}
		if r.Err == nil {
			drv, err := store.ParsePath(r.Value.Drv)
			if err != nil {
				return nil, fmt.Errorf("system of %s: %v", r.Host, err)
			}
			out, err := store.ParsePath(r.Value.Out)
			if err != nil {
				return nil, fmt.Errorf("system of %s: %v", r.Host, err)
			}
			result.Value = System{Drv: drv, Out: out, Warnings: r.Value.Warnings}
		}
		results = append(results, result)
	}
	return results, interrupt
}

// Query evaluates an attribute of each host, such as config.time.timeZone, to
// its JSON. Results and errors are as those of [Nix.Evaluate].
func (n *Nix) Query(ctx context.Context, net Network, attr []string) ([]Result[json.RawMessage], error) {
	if attr == nil {
		attr = []string{} // the host itself
	}
	return evaluate[json.RawMessage](ctx, n, net, attr)
}

// evaluate applies the driver to all hosts at once and, if that fails or takes
// longer than one host may, to one host after the other. If ctx ends, it returns the
// results of the hosts that were done by then with the cause.
func evaluate[T any](ctx context.Context, n *Nix, net Network, attr []string) ([]Result[T], error) {
	run := driverRun{attr: attr}
	if net.Pure == nil {
		dir, err := writeNetwork(net)
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		run.dir = dir
	}
	results := make([]Result[T], len(net.Hosts))
	all, err := runDriver[T](ctx, n, net, run, net.Hosts)
	for i, host := range net.Hosts {
		results[i] = Result[T]{Host: host, Value: all[host], Err: err}
	}
	if err == nil || len(net.Hosts) == 1 {
		return results, context.Cause(ctx)
	}
	for i, host := range net.Hosts {
		if ctx.Err() != nil {
			break
		}
		one, err := runDriver[T](ctx, n, net, run, []string{host})
		results[i].Value, results[i].Err = one[host], err
	}
	return results, context.Cause(ctx)
}

// writeNetwork writes the network expression and its driver to a new directory.
func writeNetwork(net Network) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "muster-eval-"); err != nil {
		return "", fmt.Errorf("make a directory to evaluate in: %v", err)
	}
	var text bytes.Buffer
	err = syntax.Fprint(&text, net.File)
	for name, data := range map[string][]byte{NetworkFile: text.Bytes(), driverFile: []byte(net.Driver)} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", fmt.Errorf("write the network expression: %v", err)
	}
	return dir, nil
}

// A driverRun is how the driver is run.
type driverRun struct {
	dir  string   // of the network expression and its driver; "" if they are in the store
	attr []string // what is evaluated of each host; nil for its system
}

// command is nix-instantiate with its arguments.
func (r driverRun) command(net Network, hosts []string) (name string, argv []string) {
	argv = []string{
		// The trace tells where an error comes from.
		"--eval", "--strict", "--json", "--show-trace", filepath.Join(r.dir, driverFile),
		"--arg", "network", filepath.Join(r.dir, NetworkFile),
		"--arg", "hosts", nixStrings(hosts),
	}
	if r.attr != nil {
		argv = append(argv, "--arg", "attr", nixStrings(r.attr))
	}
	// Inputs that are directories are read from the store.
	if r.attr == nil || net.Builds || len(net.Features) > 0 {
		argv = append(argv, "--read-write-mode")
	}
	for _, p := range net.SearchPath {
		argv = append(argv, "-I", p)
	}
	if len(net.Features) > 0 {
		argv = append(argv, "--extra-experimental-features", strings.Join(net.Features, " "))
	}
	return "nix-instantiate", argv
}

// plainNames writes the messages of Nix with the names of files that the user knows.
func (r driverRun) plainNames(net Network, text string) string {
	if net.Pure != nil {
		return net.Pure.plainNames(text)
	}
	return strings.ReplaceAll(text, r.dir+"/", "") // the directory no longer exists when the user reads this
}

// runDriver runs the driver on some of the hosts.
func runDriver[T any](ctx context.Context, n *Nix, net Network, run driverRun, hosts []string) (map[string]T, error) {
	traced := func(line string) {
		if net.Trace != nil && (strings.HasPrefix(line, "trace: ") || strings.HasPrefix(line, "warning: the flag '--override-input")) {
			fmt.Fprintln(net.Trace, line)
		}
	}
	name, argv := run.command(net, hosts)
	if net.Pure != nil {
		name, argv = net.Pure.command(hosts, run.attr)
	}
	if net.MaxTime > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, net.MaxTime, fmt.Errorf("evaluation takes longer than %v", net.MaxTime))
		defer end()
	}
	out, err := n.output(ctx, nil, traced, name, argv...)
	if err != nil {
		var exit *ExitError
		if errors.As(err, &exit) {
			exit.Stderr = run.plainNames(net, exit.Stderr)
		}
		return nil, err
	}
	var found map[string]T
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("read what %s printed: %v", name, err)
	}
	return found, nil
}

// nixStrings writes words as a Nix list.
func nixStrings(words []string) string { return syntax.FormatExpr(syntax.StringList(words)) }
