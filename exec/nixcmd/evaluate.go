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

	"muster/compile/store"
	"muster/compile/syntax"
)

// A Network is what to evaluate.
type Network struct {
	File   *syntax.File // the network expression; paths in it are absolute
	Driver string       // the Nix function that makes systems of it
	Hosts  []string     // the hosts wanted

	SearchPath []string  // what -I adds
	Warn       io.Writer // what builtins.trace says; nil: nowhere
}

// NetworkFile is what Nix's messages call the network expression.
const NetworkFile = "network.nix"

// A System is what a host evaluates to.
type System struct {
	Drv      store.Path // the derivation, written to the store
	Out      store.Path // what it will build
	Warnings []string   // what NixOS warns of
}

// Evaluate evaluates the hosts of a network, all in one process, and writes
// their derivations to the store. Where that fails, each host is evaluated on
// its own, so that the error is that host's and the others are found all the
// same: errs then has an entry, an [ExitError], for every host that failed.
// err says that nothing could be evaluated at all.
func (n *Nix) Evaluate(ctx context.Context, net Network) (systems map[string]System, errs map[string]error, err error) {
	type result struct {
		Drv, Out string
		Warnings []string
	}
	found, errs, err := evaluate[result](ctx, n, net, "--read-write-mode")
	if err != nil {
		return nil, nil, err
	}
	systems = map[string]System{}
	for host, s := range found {
		drv, err := store.ParsePath(s.Drv)
		if err != nil {
			return nil, nil, fmt.Errorf("system of %s: %v", host, err)
		}
		out, err := store.ParsePath(s.Out)
		if err != nil {
			return nil, nil, fmt.Errorf("system of %s: %v", host, err)
		}
		systems[host] = System{Drv: drv, Out: out, Warnings: s.Warnings}
	}
	return systems, errs, nil
}

// Query evaluates an attribute of each host, such as config.time.timeZone, to
// its JSON. Errors are those of [Nix.Evaluate].
func (n *Nix) Query(ctx context.Context, net Network, attr []string) (values map[string]json.RawMessage, errs map[string]error, err error) {
	return evaluate[json.RawMessage](ctx, n, net, "--arg", "attr", nixStrings(attr))
}

// evaluate runs the driver on the hosts, at once if that goes well and one by
// one if not.
func evaluate[T any](ctx context.Context, n *Nix, net Network, args ...string) (found map[string]T, errs map[string]error, err error) {
	dir, err := os.MkdirTemp("", "muster-eval-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a directory to evaluate in: %v", err)
	}
	defer os.RemoveAll(dir)
	var text bytes.Buffer
	if err := syntax.Fprint(&text, net.File); err != nil {
		return nil, nil, fmt.Errorf("write the network expression: %v", err)
	}
	for name, data := range map[string][]byte{NetworkFile: text.Bytes(), "driver.nix": []byte(net.Driver)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, nil, fmt.Errorf("write the network expression: %v", err)
		}
	}
	for _, p := range net.SearchPath {
		args = append(args, "-I", p)
	}
	traced := func(line string) {
		if net.Warn != nil && strings.HasPrefix(line, "trace: ") {
			fmt.Fprintln(net.Warn, line)
		}
	}
	run := func(hosts []string) (map[string]T, error) {
		all := append([]string{
			// The trace is what tells where an error comes from.
			"--eval", "--strict", "--json", "--show-trace", filepath.Join(dir, "driver.nix"),
			"--arg", "network", filepath.Join(dir, NetworkFile),
			"--arg", "hosts", nixStrings(hosts),
		}, args...)
		out, err := n.output(ctx, nil, traced, "nix-instantiate", all...)
		if err != nil {
			var exit *ExitError
			if errors.As(err, &exit) {
				// The directory is gone when somebody reads this.
				exit.Stderr = strings.ReplaceAll(exit.Stderr, dir+"/", "")
			}
			return nil, err
		}
		var found map[string]T
		if err := json.Unmarshal(out, &found); err != nil {
			return nil, fmt.Errorf("read what nix-instantiate printed: %v", err)
		}
		return found, nil
	}

	found, err = run(net.Hosts)
	if err == nil || ctx.Err() != nil {
		return found, nil, err
	}
	if len(net.Hosts) == 1 {
		return nil, map[string]error{net.Hosts[0]: err}, nil
	}
	found, errs = map[string]T{}, map[string]error{}
	for _, host := range net.Hosts {
		one, err := run([]string{host})
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if err != nil {
			errs[host] = err
			continue
		}
		found[host] = one[host]
	}
	return found, errs, nil
}

// nixStrings writes words as a Nix list.
func nixStrings(words []string) string {
	l := &syntax.List{}
	for _, w := range words {
		l.Elems = append(l.Elems, &syntax.String{Parts: []syntax.Part{{Text: w}}})
	}
	return syntax.FormatExpr(l)
}
