package nixcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"muster/compile/store"
	"muster/compile/syntax"
)

// A Network is what to evaluate.
type Network struct {
	File   *syntax.File // the network expression; paths in it are absolute
	Driver string       // the Nix function that makes systems of it
	Hosts  []string     // the hosts wanted
}

// A System is what a host evaluates to.
type System struct {
	Drv store.Path // the derivation, written to the store
	Out store.Path // what it will build
}

// Evaluate evaluates the hosts of a network, all in one process, and writes
// their derivations to the store. Where that fails, each host is evaluated on
// its own, so that the error is that host's and the others are found all the
// same: errs then has an entry, an [ExitError], for every host that failed.
// err says that nothing could be evaluated at all.
func (n *Nix) Evaluate(ctx context.Context, net Network) (systems map[string]System, errs map[string]error, err error) {
	dir, err := os.MkdirTemp("", "muster-eval-")
	if err != nil {
		return nil, nil, fmt.Errorf("make a directory to evaluate in: %v", err)
	}
	defer os.RemoveAll(dir)
	var text bytes.Buffer
	if err := syntax.Fprint(&text, net.File); err != nil {
		return nil, nil, fmt.Errorf("write the network expression: %v", err)
	}
	for name, data := range map[string][]byte{"network.nix": text.Bytes(), "driver.nix": []byte(net.Driver)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return nil, nil, fmt.Errorf("write the network expression: %v", err)
		}
	}

	systems, err = n.evaluate(ctx, dir, net.Hosts)
	if err == nil || ctx.Err() != nil {
		return systems, nil, err
	}
	if len(net.Hosts) == 1 {
		return nil, map[string]error{net.Hosts[0]: err}, nil
	}
	systems, errs = map[string]System{}, map[string]error{}
	for _, host := range net.Hosts {
		one, err := n.evaluate(ctx, dir, []string{host})
		if ctx.Err() != nil {
			return nil, nil, context.Cause(ctx)
		}
		if err != nil {
			errs[host] = err
			continue
		}
		systems[host] = one[host]
	}
	return systems, errs, nil
}

func (n *Nix) evaluate(ctx context.Context, dir string, hosts []string) (map[string]System, error) {
	names := syntax.List{}
	for _, h := range hosts {
		names.Elems = append(names.Elems, &syntax.String{Parts: []syntax.Part{{Text: h}}})
	}
	out, err := n.output(ctx, nil, nil, "nix-instantiate",
		"--eval", "--strict", "--json", "--read-write-mode",
		filepath.Join(dir, "driver.nix"),
		"--arg", "network", filepath.Join(dir, "network.nix"),
		"--arg", "hosts", syntax.FormatExpr(&names))
	if err != nil {
		return nil, err
	}
	var found map[string]struct {
		Drv string `json:"drv"`
		Out string `json:"out"`
	}
	if err := json.Unmarshal(out, &found); err != nil {
		return nil, fmt.Errorf("read what nix-instantiate printed: %v", err)
	}
	systems := map[string]System{}
	for host, s := range found {
		drv, err := store.ParsePath(s.Drv)
		if err != nil {
			return nil, fmt.Errorf("system of %s: %v", host, err)
		}
		built, err := store.ParsePath(s.Out)
		if err != nil {
			return nil, fmt.Errorf("system of %s: %v", host, err)
		}
		systems[host] = System{Drv: drv, Out: built}
	}
	return systems, nil
}
