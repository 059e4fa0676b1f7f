package cmd

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"slices"
	"time"

	"muster/cmd/flags"
	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/exec/objectstore"
	"muster/exec/release"
	"muster/schema"
)

// publishVerb is publish's place in the help.
func publishVerb() entry {
	return entry{group: "fleet", use: "publish [INVENTORY]", verb: &publishOptions{}, short: "put the systems into a store that hosts pull from",
		examples: exampleLines{
			{"muster publish --to s3://fleet --key release.key", "publish a release of the whole fleet"},
			{"muster publish --make-key fleet-1 --key release.key", "make the key that releases are signed with"},
			{"muster publish --to ssh://store/srv/fleet --open-gate 2 --key release.key", "let the second wave begin"},
		},
		long: `
Evaluate and build the hosts' systems, upload what the binary cache at --to lacks, and
write a signed release there: which system each host is to have, in which wave, and until
when. Hosts with pull in the inventory take it by themselves, with "muster agent run".

The release is written last and at once: until then, and after an interruption at any
moment, hosts see the one before. A release is for the hosts that have pull, or for those
of --on; others stay as they are.

` + inventoryHelp}
}

// publishOptions are those of publish, which puts systems where hosts pull them from.
type publishOptions struct {
	selection selectFlags
	output    outputFlag
	how       evaluateFlags
	building  buildFlags
	jobs      jobsFlag
	secrets   secretFlags
	ssh       sshFlags
	to        storeFlags
	key       []string
	makeKey   string
	goodFor   time.Duration
	start     time.Time
	share     int
	spread    bool
	number    int64
	openGate  int
}

func (o *publishOptions) groups() []group {
	return []group{&o.selection, &o.output, &o.how, &o.building, &o.jobs, &o.secrets, &o.ssh}
}

func (o *publishOptions) addFlags(fs *flags.Set) {
	o.to.addFlag(fs, "to", "publish to the store at this `URL`: %s")
	fs.Var(flags.ListOf(&o.key, flags.NewFile()), "key", "sign with the secret key in this `file`, which age may have encrypted; several times while hosts change from one key to another")
	fs.Var(flags.Of(&o.makeKey, "", keyName), "make-key", "make a key with this `name` in the file of --key, print its public half, and do nothing else")
	fs.Var(flags.Positive(&o.goodFor, 7*24*time.Hour), "good-for", "hosts begin nothing of the release after this `time`")
	fs.Var(flags.Of(&o.start, "", moment), "start", "no host begins before this `moment`: %s")
	fs.Var(flags.Number(&o.share, 100, 1, 100), "share", "a wave begins when this `percentage` of the hosts of the waves before is done")
	fs.Var(flags.Number(&o.number, 0, 1, 1<<53), "number", "give the release this `number`, for a store that was emptied or set back (default one more than the last)")
	fs.Var(flags.Number(&o.openGate, 0, 2, 1_000_000), "open-gate", "let the `wave` of the current release begin, counted from 1, whatever hosts have reported, and do nothing else")
	fs.Var(flags.Bool(&o.spread, false), "spread", "fill batches in an order that differs from release to release, instead of the inventory's")
}

func (o *publishOptions) check() error {
	switch {
	case len(o.key) == 0:
		return errors.New("publish needs --key: the file of the key to sign with")
	case o.makeKey != "" && len(o.key) > 1:
		return errors.New("--make-key needs one --key")
	case o.makeKey != "" && o.openGate > 0:
		return errors.New("--make-key and --open-gate: want one of them")
	case o.makeKey == "" && o.to.url == "":
		return errors.New("publish needs --to: the URL of the store")
	}
	return nil
}

func (o *publishOptions) run(ctx context.Context, std streams, args []string) error {
	if o.makeKey != "" {
		return makeKey(std, o.makeKey, o.key[0])
	}
	var s *session
	to, done, err := o.to.open(&o.ssh, std, func() *schema.Fleet {
		if s == nil {
			return nil
		}
		return s.fleet
	})
	if err != nil {
		return err
	}
	defer done()
	if o.openGate > 0 {
		return o.open(ctx, std, to)
	}
	if o.selection.on == "" {
		o.selection.choose = pulling
	}
	s, err = begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: true, ui: o.output.reporter, systems: &o.how})
	if err != nil {
		return err
	}
	defer s.close()
	if err := refuseDarwin(s.systems, exec.Switch); err != nil {
		return err
	}
	keys, err := o.keys(s.fleet.Dir)
	if err != nil {
		return err
	}
	noteOtherKeys(s, keys)
	if err := release.Ready(ctx, to, keys); err != nil {
		return err // before hours of building
	}
	plan := s.plan(exec.BuildOnly)
	s.keepDefinitions(plan)
	plan.Steps = slices.DeleteFunc(plan.Steps, func(step exec.Step) bool { return step.Host.Profile != nil })
	outcomes := s.carryOut(ctx, plan, s.options(plan, &o.jobs, &o.building), nil)
	if exec.ExitStatus(ctx, outcomes) != exec.ExitOK {
		return s.end(ctx, outcomes)
	}
	for i := range outcomes {
		plan.Steps[i].System.Out = outcomes[i].System
	}
	return o.publish(ctx, s, plan, to, keys)
}

// pulling are the hosts of a fleet that take releases.
func pulling(fleet *schema.Fleet) (hosts []*schema.Host, err error) {
	for _, h := range fleet.Hosts {
		if h.Pulls != nil {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		return nil, usageError{errors.New("no host of the inventory has pull: give it to hosts, roles or defaults, or choose hosts with --on")}
	}
	return hosts, nil
}

// publish fills the cache, then writes the release.
func (o *publishOptions) publish(ctx context.Context, s *session, plan *exec.Plan, to objectstore.Store, keys []*archive.SecretKey) error {
	made := time.Now()
	if o.spread {
		spread(plan.Steps, made)
	}
	if err := plan.RollOut(s.fleet); err != nil {
		return err
	}
	local, closeLocal := wireLocal(s.nix)
	defer closeLocal()
	publication, err := release.Begin(ctx, to)
	if err != nil {
		return fmt.Errorf("%w; hosts see the release before", err)
	}
	noted := time.Now()
	upload := archive.UploadOptions{Keys: keys, Report: func(p archive.Progress) {
		if time.Since(noted) > 10*time.Second {
			noted = time.Now()
			s.note("%s of %s uploaded", human.Bytes(p.Bytes), human.Bytes(p.TotalBytes))
		}
	}}
	stats, err := archive.Upload(ctx, local, to, systemsOf(plan), upload)
	if err != nil {
		return fmt.Errorf("%w; hosts see the release before", err)
	}
	s.note("%s: %s in the binary cache, %d of them new (%s) in %s", to, human.Count(stats.Closure, "path"), stats.Written, human.Bytes(stats.WrittenBytes), human.Duration(time.Since(made)))
	// The time of a release is that of its head: a deployment during the upload is older.
	now := time.Now()
	h, err := release.Publish(ctx, to, &release.Draft{Fleet: s.fleet.Network.Description, Plan: plan, Made: now, Until: now.Add(o.goodFor), Start: o.start, Share: o.share, Number: o.number}, keys)
	if err != nil {
		return fmt.Errorf("%w; hosts see the release before", err)
	}
	for {
		disturbed, err := publication.Disturbed(ctx)
		if disturbed && err == nil {
			s.note("the store was pruned meanwhile: looking for what the release needs again")
			upload.Archives = true
			_, err = archive.Upload(ctx, local, to, systemsOf(plan), upload)
		}
		if err != nil {
			return fmt.Errorf("release %d is published, and the store may lack a part of it: %w; publish again", h.Number, err)
		}
		if !disturbed {
			break
		}
	}
	s.note("%s: release %d for %s in %s, good until %s", to, h.Number, human.Count(len(plan.Steps), "host"), human.Count(len(h.Waves), "wave"), h.Until.Format(time.RFC3339))
	return nil
}

// systemsOf are the systems of a plan, each once.
func systemsOf(plan *exec.Plan) (paths []store.Path) {
	for i := range plan.Steps {
		if p := plan.Steps[i].System.Out; !slices.Contains(paths, p) {
			paths = append(paths, p)
		}
	}
	return paths
}

// spread orders steps by a hash of their hosts and a time, so that another part of the fleet is first every time.
func spread(steps []exec.Step, at time.Time) {
	rank := func(step exec.Step) uint64 {
		h := fnv.New64a()
		fmt.Fprintf(h, "%d %s", at.UnixNano(), step.Host.Name)
		return h.Sum64()
	}
	slices.SortStableFunc(steps, func(a, b exec.Step) int {
		if rank(a) < rank(b) {
			return -1
		}
		return 1
	})
}

// keys reads the secret keys to sign with.
func (o *publishOptions) keys(dir string) (keys []*archive.SecretKey, err error) {
	for _, file := range o.key {
		absolute, err := filepath.Abs(file)
		if err != nil {
			return nil, fmt.Errorf("read the key: %w", err)
		}
		text, err := foreign.ReadFile(file, foreign.Limits{Size: 64 << 10, Trusted: true, Links: true})
		if err != nil {
			return nil, fmt.Errorf("read the key: %w", err)
		}
		if bytes.HasPrefix(text, []byte("age-encryption.org/")) || bytes.HasPrefix(text, []byte("-----BEGIN AGE")) {
			if text, err = o.secrets.reader(dir).Age(absolute); err != nil {
				return nil, fmt.Errorf("read the key: %w", err)
			}
		}
		k, err := archive.ParseSecretKey(text)
		if err != nil {
			return nil, fmt.Errorf("read the key %s: %w", file, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// noteOtherKeys says which hosts will refuse the release: those that trust none of its keys.
func noteOtherKeys(s *session, keys []*archive.SecretKey) {
	var refuse []string
	for _, h := range s.hosts {
		if h.Pulls == nil {
			continue
		}
		if !slices.ContainsFunc(keys, func(k *archive.SecretKey) bool { return slices.Contains(h.Pulls.Keys(), k.Public().String()) }) {
			refuse = append(refuse, h.Name)
		}
	}
	if len(refuse) > 0 {
		s.note("warning: %s will refuse the release: none of its keys is that of their pull.key, such as %s", human.Count(len(refuse), "host"), refuse[0])
	}
}

// makeKey makes a secret key in a new file, in the form of nix-store --generate-binary-cache-key.
func makeKey(std streams, name, file string) error {
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	_, err = fmt.Fprintf(f, "%s:%s", name, base64.StdEncoding.EncodeToString(secret))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	fmt.Fprintf(std.out, "%s:%s\n", name, base64.StdEncoding.EncodeToString(public))
	return nil
}
