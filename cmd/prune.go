package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec/human"
	"muster/exec/objectstore"
	"muster/exec/release"
	"muster/schema"
)

// pruneVerb is prune's place in the help.
func pruneVerb() entry {
	return entry{group: "fleet", use: "prune [INVENTORY]", verb: &pruneOptions{}, short: "remove old releases from a store, and what only they need",
		examples: exampleLines{
			{"muster prune --from s3://fleet --dry-run", "see what no host needs any more"},
			{"muster prune --from s3://fleet --keep 10", "remove it, after a yes"},
		},
		long: `
Remove from the store of "muster publish" the releases that no host needs any more, the
store paths of the binary cache that only they refer to, and the last reports of hosts
that no release names.

What stays: the newest release; the last ones (--keep), the younger ones (--newer-than)
and those that have not expired; the systems that hosts report to run, to boot, to wait
for and to have run before; paths that no pull.key of the inventory has signed; with all
that these refer to; and what was written in the last day. A publication meanwhile has it
end early, and loses nothing.

What would be removed is shown first, and removed after a yes, or with --yes.

` + inventoryHelp}
}

// pruneOptions are those of prune, which removes what hosts no longer need from where they pull.
type pruneOptions struct {
	reading loadFlags
	ssh     sshFlags
	from    storeFlags
	keep    int
	newer   time.Duration
	dry     bool
	yes     bool
	format  string
}

func (o *pruneOptions) groups() []group { return []group{&o.reading, &o.ssh} }

func (o *pruneOptions) addFlags(fs *flags.Set) {
	o.from.addFlag(fs, "from", "remove from the store at this `URL`: %s")
	fs.Var(flags.Number(&o.keep, 5, 1, 1_000_000), "keep", "keep the `n` newest releases")
	fs.Var(flags.NotNegative(&o.newer, 14*24*time.Hour), "newer-than", "and those that are younger than this `duration`")
	fs.VarP(flags.Bool(&o.dry, false), "dry-run", "n", "only show what would be removed")
	fs.VarP(flags.Bool(&o.yes, false), "yes", "y", "do not ask before anything is removed")
	fs.Var(flags.OneOf(&o.format, outputText, outputJSON), "output", "report as `format`: %s")
}

func (o *pruneOptions) check() error {
	switch {
	case o.from.url == "":
		return errors.New("prune needs --from: the URL of the store")
	case o.dry && o.yes:
		return errors.New("--dry-run and --yes exclude each other")
	}
	return nil
}

func (o *pruneOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := o.reading.load(ctx, args)
	if err != nil {
		return err
	}
	from, done, err := o.from.open(&o.ssh, std, func() *schema.Fleet { return fleet })
	if err != nil {
		return err
	}
	defer done()
	keep := release.PruneOptions{Last: o.keep, Newer: o.newer, Now: time.Now()}
	if keep.Keys, err = pullKeys(fleet); err != nil {
		return err
	}
	p, err := release.FindUnneeded(ctx, from, keep)
	if errors.Is(err, objectstore.ErrNoListing) {
		return hinted{err, "where the objects are files, --from file:///PATH on that machine, or ssh://HOST/PATH, prunes them"}
	}
	if err != nil {
		return err
	}
	if o.dry || p.Objects == 0 {
		return o.show(std, p, "would be removed")
	}
	if !o.yes {
		if !ui.CanAnswer(std.in) {
			return errors.Join(o.show(std, p, "would be removed"), errors.New("nothing is removed: there is no terminal to ask on; --yes agrees to it"))
		}
		if err := o.show(std, p, "would be removed"); err != nil {
			return err
		}
		err := ui.Ask(ctx, std.in, std.err, fmt.Sprintf("remove %s (%s) from %s? [y/N] ", human.Count(p.Objects, "object"), human.Bytes(p.Bytes), from))
		if errors.Is(err, ui.ErrDeclined) {
			return errors.New("nothing is removed")
		}
		if err != nil {
			return err
		}
	}
	return o.remove(ctx, std, from, keep)
}

func (o *pruneOptions) remove(ctx context.Context, std streams, from objectstore.Store, keep release.PruneOptions) error {
	keep.Now = time.Now() // an answer may take its time
	p, err := release.Prune(ctx, from, keep, operator())
	if err != nil {
		return err
	}
	return o.show(std, p, "removed")
}

// show prints what is removed from a store, or would be.
func (o *pruneOptions) show(std streams, p *release.Pruning, removed string) error {
	for _, path := range p.Lacking {
		fmt.Fprintf(std.err, "warning: the newest release has %s, which the binary cache lacks: publish again\n", path)
	}
	if o.format == outputJSON {
		return ui.JSON(std.out, p)
	}
	table := ui.NewReport(std.out, "release", "written", "objects", "")
	releases := 0
	for _, r := range p.Releases {
		what := removed
		switch {
		case r.Kept == release.KeptGood:
			what = "stays: good until " + r.Until.UTC().Format(time.RFC3339)
		case r.Kept != release.Removed:
			what = "stays: " + string(r.Kept)
		default:
			releases++
		}
		table.Row(fmt.Sprint(r.Number), r.Written.UTC().Format(time.RFC3339), fmt.Sprint(r.Objects), what)
	}
	table.Flush()
	if len(p.Reports) > 0 {
		fmt.Fprintf(std.out, "reports of %s: %s\n", someOf(p.Reports), removed)
	}
	if p.Foreign > 0 {
		fmt.Fprintf(std.out, "%s that no pull.key has signed: stay\n", human.Count(p.Foreign, "path"))
	}
	_, err := fmt.Fprintf(std.out, "%s of %d, %s of %d, %s, %s in all: %s (%s)\n", human.Count(releases, "release"), len(p.Releases), human.Count(p.Unneeded, "path"), p.Paths,
		human.Count(len(p.Reports), "report"), human.Count(p.Objects, "object"), removed, human.Bytes(p.Bytes))
	return err
}
