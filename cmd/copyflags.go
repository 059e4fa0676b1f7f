package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/transfer"
	"muster/schema"
)

// buildFlags say where is built what is built for hosts.
type buildFlags struct {
	builders string
	flags    *pflag.FlagSet
}

func (f *buildFlags) addFlags(fs *pflag.FlagSet) {
	f.flags = fs
	fs.StringVar(&f.builders, "builders", "", "build on these `machines`, written as for Nix: \"ssh://builder x86_64-linux; …\", \"\" for none\n(default the inventory's builders, else nix.conf's)")
}

// apply makes the flags, or what the plan says, options of a run.
func (f *buildFlags) apply(o *exec.Options, nix *nixcmd.Nix, plan *exec.Plan) {
	if f.flags != nil && f.flags.Changed("builders") {
		plan.Builders = strings.Split(f.builders, ";")
	}
	b := nix.NewBuilder()
	b.Machines = plan.Builders
	o.Builder = b
}

// copyFlags say how closures are sent to hosts.
type copyFlags struct {
	with     string
	compress string
	rate     string
	hostRate string
	memory   string
	pushTo   string
	pullFrom string

	options exec.CopyOptions // as check has read them
	keep    int64
}

func (f *copyFlags) addFlags(fs *pflag.FlagSet) {
	fs.StringVar(&f.with, "copy-with", "muster", "copy to hosts with `what`: muster, or nix, which runs nix copy through the host's daemon")
	fs.StringVar(&f.compress, "compress", "auto", "`when` to compress what is sent: auto (over slow links, to hosts that have zstd),\nalways or never")
	fs.StringVar(&f.rate, "limit-rate", "", "send at most this many `bytes` a second to all hosts together, as 500k or 10M")
	fs.StringVar(&f.hostRate, "limit-host-rate", "", "send at most this many `bytes` a second to each host that has no limit_rate of its own")
	fs.StringVar(&f.memory, "copy-memory", "64M", "keep at most this many `bytes` of what several hosts are sent in memory")
	fs.StringVar(&f.pushTo, "push-to", "", "put what hosts lack into the store at this `URL` once (s3://…, file://…, ssh://…),\nand have them fetch it there (default the inventory's cache)")
	fs.StringVar(&f.pullFrom, "pull-from", "", "the `URL` at which hosts read that store (default as --push-to)")
}

// check reads the flags.
func (f *copyFlags) check() (err error) {
	o := &f.options
	switch f.compress {
	case "auto", "":
		o.Pack = transfer.CompressAuto
	case "always":
		o.Pack = transfer.CompressAlways
	case "never":
		o.Pack = transfer.CompressNever
	default:
		return usageError{fmt.Errorf("--compress %s: there is auto, always and never", f.compress)}
	}
	switch f.with {
	case "muster", "":
	case "nix":
		o.Always = true
	default:
		return usageError{fmt.Errorf("--copy-with %s: there is muster and nix", f.with)}
	}
	if f.rate != "" {
		rate, err := schema.ParseBytes(f.rate)
		if err != nil {
			return usageError{fmt.Errorf("--limit-rate %s: %w", f.rate, err)}
		}
		o.Rate = transfer.NewLimiter(rate)
	}
	if f.hostRate != "" {
		if o.HostRate, err = schema.ParseBytes(f.hostRate); err != nil {
			return usageError{fmt.Errorf("--limit-host-rate %s: %w", f.hostRate, err)}
		}
	}
	if f.keep = sharedMemory; f.memory != "" {
		if f.keep, err = schema.ParseBytes(f.memory); err != nil {
			return usageError{fmt.Errorf("--copy-memory %s: %w", f.memory, err)}
		}
	}
	for flag, url := range map[string]string{"--push-to": f.pushTo, "--pull-from": f.pullFrom} {
		if err := nixcmd.CheckURL(url); url != "" && err != nil {
			return usageError{fmt.Errorf("%s %s: %w", flag, url, err)}
		}
	}
	if f.pullFrom != "" && f.pushTo == "" {
		return usageError{fmt.Errorf("--pull-from: and --push-to where?")}
	}
	return nil
}

// apply makes the flags, or what the plan says, options of a run.
func (f *copyFlags) apply(o *exec.Options, nix *nixcmd.Nix, plan *exec.Plan) {
	o.Copy = f.options
	o.Source = transfer.Share(o.Source, f.keep)
	o.Copy.Daemon = func(ctx context.Context, open func(context.Context) (nixserve.Stream, error), paths []store.Path, substitute bool, log func(string)) error {
		return nix.CopyToDaemon(ctx, func(ctx context.Context) (nixcmd.Channel, error) { return open(ctx) }, paths, substitute, log)
	}
	if f.pushTo != "" {
		plan.Cache = schema.Cache{PushTo: f.pushTo, PullFrom: f.pullFrom}
	}
	if plan.Cache.PushTo != "" {
		o.Copy.Cache = wireCache(nix, plan.Cache)
	}
}

// wireCache has nix fill a binary cache, and hosts fetch from it.
func wireCache(nix *nixcmd.Nix, c schema.Cache) *exec.Cache {
	from := c.PullFrom
	if from == "" {
		from = nixcmd.PullURL(c.PushTo)
	}
	return &exec.Cache{
		URL:  nixcmd.PlainURL(from),
		Push: nix.NewPusher(c.PushTo).Push,
		Pull: func(paths []store.Path) [][]string { return nixcmd.PullCommands(from, paths) },
	}
}
