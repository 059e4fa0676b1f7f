package cmd

import (
	"cmp"
	"context"
	"errors"
	"os"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
	"muster/exec/transfer"
	"muster/schema"
)

// buildFlags say where systems are built.
type buildFlags struct {
	noRules
	builders  []string // nil is as the inventory says
	onlyThere bool
}

func (f *buildFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.builders, "", buildMachines), "builders", "build on these `machines`: %s (default the inventory's builders, else nix.conf's)")
	fs.Var(flags.Bool(&f.onlyThere, false), "builders-only", "build nothing here, also where no builder is left")
}

func (f *buildFlags) apply(s *session, plan *exec.Plan, o *exec.Options) {
	if f.builders != nil {
		plan.Builders = f.builders
	}
	g := s.nix.NewGraph()
	plan.OnlyThere = plan.OnlyThere || f.onlyThere
	g.Machines, g.Own, g.Here = plan.Builders, nil, !plan.OnlyThere
	if read, err := nixSettings(nil); err == nil { // else Nix says so
		g.Own = read.BuildSystems
		// Named as well where Nix would know them, so that one that is lost can be taken out.
		if len(plan.Builders) == 0 && !byDaemon() {
			g.Machines = []string{read.Builders}
		}
	}
	g.SSH = func(ctx context.Context) (nixcmd.SSHConfig, error) { return sshOfBuilders(ctx, s.ssh, plan) }
	o.Builder = g
}

// nixSettings are the settings of this user's Nix, and those of the command line over them.
func nixSettings(overrides []nixcmd.Setting) (nixcmd.Settings, error) {
	home, _ := os.UserHomeDir()
	source := nixcmd.SettingsSource{LookupEnv: os.LookupEnv, ReadFile: nixcmd.ReadSettings, Stat: os.Stat, Home: home}
	return source.Read(overrides)
}

// copyFlags say how closures are sent to hosts.
type copyFlags struct {
	with     string
	compress string
	rate     int64 // bytes a second; 0 is no limit
	hostRate int64
	memory   int64
	pushTo   string
	pullFrom string
}

// How --copy-with copies, and when --compress compresses.
const (
	withMuster = "muster"
	withNix    = "nix"

	compressAuto   = "auto"
	compressAlways = "always"
	compressNever  = "never"
)

// compression is when to compress, as package transfer has it.
var compression = map[string]transfer.Compression{
	compressAuto:   transfer.CompressAuto,
	compressAlways: transfer.CompressAlways,
	compressNever:  transfer.CompressNever,
}

func (f *copyFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.OneOf(&f.with, withMuster, withNix), "copy-with", "copy to hosts with `what`: %s, which runs nix copy through the host's daemon")
	fs.Var(flags.OneOf(&f.compress, compressAuto, compressAlways, compressNever), "compress", "`when` to compress what is sent: %s; auto compresses over slow links, to hosts that have zstd")
	fs.Var(flags.Of(&f.rate, "", byteCount), "limit-rate", "send to all hosts together at most this many `bytes` a second: %s")
	fs.Var(flags.Of(&f.hostRate, "", byteCount), "limit-host-rate", "send at most this many `bytes` a second to each host that has no limit_rate of its own")
	fs.Var(flags.Of(&f.memory, "64M", byteCount), "copy-memory", "keep at most this many `bytes` of what several hosts are sent in memory")
	fs.Var(flags.Of(&f.pushTo, "", storeURL), "push-to", "put what hosts lack into the store at this `URL` once (s3://…, file://…, ssh://…), and have them fetch it there (default the inventory's cache)")
	fs.Var(flags.Of(&f.pullFrom, "", storeURL), "pull-from", "the `URL` at which hosts read that store (default as --push-to)")
}

func (f *copyFlags) check() error {
	if f.pullFrom != "" && f.pushTo == "" {
		return errors.New("--pull-from needs --push-to")
	}
	return nil
}

func (f *copyFlags) apply(s *session, plan *exec.Plan, o *exec.Options) {
	o.Copy = exec.CopyOptions{Pack: compression[f.compress], Always: f.with == withNix, HostRate: f.hostRate}
	if f.rate > 0 {
		o.Copy.Rate = transfer.NewLimiter(f.rate)
	}
	o.Source = transfer.Share(o.Source, f.memory)
	o.Copy.Daemon = func(ctx context.Context, open func(context.Context) (nixserve.Stream, error), paths []store.Path, substitute bool, log func(string)) error {
		return s.nix.CopyToDaemon(ctx, func(ctx context.Context) (nixcmd.Channel, error) { return open(ctx) }, paths, substitute, log)
	}
	if f.pushTo != "" {
		plan.Cache = schema.Cache{PushTo: f.pushTo, PullFrom: f.pullFrom}
	}
	if plan.Cache.PushTo != "" {
		o.Copy.Cache = wireCache(s.nix, plan.Cache)
	}
}

// wireCache has nix fill a binary cache, and hosts fetch from it.
func wireCache(nix *nixcmd.Nix, c schema.Cache) *exec.Cache {
	from := cmp.Or(c.PullFrom, nixcmd.PullURL(c.PushTo))
	return &exec.Cache{
		URL:  nixcmd.PlainURL(from),
		Push: nix.NewPusher(c.PushTo).Push,
		Pull: func(paths []store.Path) [][]string { return nixcmd.PullCommands(from, paths) },
	}
}
