package cmd

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"muster/cmd/ui"
	"muster/compile/flake/fetch"
	"muster/exec/evaluate"
	"muster/exec/human"
	"muster/schema"
)

// revision is the kind of a commit, branch or tag of git.
var revision = matching("revision", "a commit, branch or tag of git, such as HEAD~1", `[A-Za-z0-9@][A-Za-z0-9@{}~^./_+-]{0,249}`)

// A pastFleet is where the inventory of another revision is read.
type pastFleet struct {
	checkout fetch.Checkout
	where    string // the inventory in the commit
	dir      string // of the inventory in the work tree
}

// at finds an inventory in a commit of its git repository.
func at(ctx context.Context, where, name string, warn io.Writer) (*pastFleet, error) {
	abs, err := filepath.Abs(where)
	if err != nil {
		return nil, err
	}
	dir, file := abs, ""
	if info, err := os.Stat(abs); err == nil && !info.IsDir() {
		dir, file = filepath.Split(abs)
	}
	environment, err := new(evaluateFlags).environment(nil, nil, warn)
	if err != nil {
		return nil, err
	}
	if environment.Fetcher == nil {
		return nil, evaluate.ErrNoFetcher
	}
	c, err := environment.Fetcher.Checkout(ctx, dir, name)
	if err != nil {
		return nil, fmt.Errorf("--from %s: %w", name, err)
	}
	return &pastFleet{checkout: c, where: filepath.Join(c.Dir, file), dir: filepath.Clean(dir)}, nil
}

// flakes has the hosts whose systems flakes of the commit define take them from git, where
// the flakes have the attributes of the commit.
func (p *pastFleet) flakes(f *schema.Fleet) {
	for _, h := range f.FlakeHosts() {
		if h.Flake.Dir == "" {
			continue
		}
		dir := h.Flake.Dir
		if !filepath.IsAbs(dir) {
			dir = filepath.Join(f.Dir, dir)
		}
		if below, err := filepath.Rel(p.checkout.Tree.Dir, dir); err == nil && below != ".." && !strings.HasPrefix(below, "../") {
			h.Flake.Dir, h.Flake.Repo, h.Flake.Ref = "", "", p.checkout.Flake(below)
		}
	}
}

// compareSystems prints the systems that differ between two evaluations of a fleet, and how
// many stay. It returns the errors of the later one, by host.
func compareSystems(std streams, was, is []evaluate.Result) map[string]error {
	before := map[string]evaluate.Result{}
	for _, r := range was {
		before[r.Host.Name] = r
	}
	errs := map[string]error{}
	table := ui.NewTable(std.out, "host", "was", "is")
	changed, same := 0, 0
	row := func(name, was, is string) {
		changed++
		table.Row(name, was, is)
	}
	for _, r := range is {
		old, there := before[r.Host.Name]
		delete(before, r.Host.Name)
		switch {
		case r.Err != nil:
			errs[r.Host.Name] = r.Err
		case !there:
			row(r.Host.Name, "-", systemText(r))
		case old.Err == nil && old.System.Drv == r.System.Drv:
			same++
		default:
			row(r.Host.Name, systemText(old), systemText(r))
		}
	}
	for _, r := range was {
		if _, gone := before[r.Host.Name]; gone {
			row(r.Host.Name, systemText(r), "-")
		}
	}
	if changed > 0 {
		table.Flush()
	}
	fmt.Fprintf(std.out, "%s would change, %d would not\n", human.Count(changed, "host"), same)
	return errs
}

// systemText is the name of a system and the begin of its hash.
func systemText(r evaluate.Result) string {
	if r.Err != nil {
		return "does not evaluate"
	}
	name := filepath.Base(string(r.System.Out))
	if len(name) < 33 {
		return name
	}
	return name[33:] + " (" + name[:8] + ")"
}
