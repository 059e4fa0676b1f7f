package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"muster/cmd/flags"
	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/host"
	"muster/exec/human"
	"muster/exec/secret"
	"muster/schema"
)

func meshAssignEntry() entry {
	return entry{group: "inventory", use: "mesh assign [INVENTORY]", examples: exampleLines{{"muster mesh assign", "give new members of the meshes addresses"}, {"muster mesh assign --release", "free those of hosts that are gone"}}, verb: &meshAssignOptions{}, short: "give the members of meshes addresses", long: `
Give every member of a mesh that has no address the first free one of its network, and
write the addresses to mesh.lock, which belongs into version control. Who has an address
keeps it; an address that the inventory gives comes first. The address of a host that is
no longer a member stays taken until --release, which removes its keys in the folder of
the mesh, too.

` + inventoryHelp}
}

func meshSwitchEntry() entry {
	return entry{group: "fleet", use: "mesh switch [INVENTORY]", examples: exampleLines{{"muster mesh switch", "switch to the keys that muster secrets rotate has made"}, {"muster mesh switch --on web1", "switch to that of one host"}}, verb: &meshSwitchOptions{}, short: "switch the hosts of meshes to rotated keys", long: `
The second step of the rotation of a host's key in a mesh. "muster secrets rotate
mesh-NAME --on HOST" makes the next key, and "muster deploy" brings it to all members,
which go on with the key that they have. This verb makes sure that all members know the
next key, and has the host and then the others switch to it. What is sent in between
waits. A later deployment removes the former key.

` + inventoryHelp + "\n\n" + exitStatusHelp}
}

// meshAssignOptions are those of mesh assign, which gives members of meshes addresses.
type meshAssignOptions struct {
	noRules
	reading loadFlags
	release bool
	dryRun  bool
}

func (o *meshAssignOptions) groups() []group { return []group{&o.reading} }

func (o *meshAssignOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.release, false), "release", "free the addresses of hosts that are no longer members: do so when all members have been deployed without them")
	fs.VarP(flags.Bool(&o.dryRun, false), "dry-run", "n", "show what would change, and write nothing")
}

func (o *meshAssignOptions) run(ctx context.Context, std streams, args []string) error {
	fleet, err := o.reading.load(ctx, args)
	if err != nil {
		return err
	}
	if len(fleet.Meshes) == 0 {
		return usageError{errors.New("the inventory has no mesh: see mesh in muster schema")}
	}
	name := filepath.Join(fleet.Dir, schema.MeshLockFile)
	text, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
	before := schema.MeshLock{}
	switch {
	case err == nil:
		before, err = schema.ParseMeshLock(text)
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", schema.MeshLockFile, err)
	}
	now := fleet.AssignMeshes(before, o.release)
	tellAssigned(std, before, now)
	for _, m := range fleet.Meshes {
		for _, member := range m.Members {
			if slices.ContainsFunc(member.Addresses, func(a netip.Addr) bool { return !a.IsValid() }) {
				return inventoryError{fmt.Errorf("%s: mesh %s has no free address for host %s: take a larger network, or free the addresses of hosts that are gone with --release", m.PosOf("network"), m.Name, member.Host)}
			}
		}
	}
	if err := o.dropKeys(std, fleet); err != nil {
		return err
	}
	switch {
	case bytes.Equal(text, now.Text()):
		fmt.Fprintln(std.out, "every member has its address")
		return nil
	case o.dryRun:
		fmt.Fprintf(std.out, "not written: %s\n", schema.MeshLockFile)
		return nil
	}
	return writeFile(name, now.Text())
}

// dropKeys removes the keys of hosts that are no longer members of a mesh, where their
// addresses are freed.
func (o *meshAssignOptions) dropKeys(std streams, fleet *schema.Fleet) error {
	if !o.release {
		return nil
	}
	for _, m := range fleet.Meshes {
		files, err := staleKeys(fleet, m)
		if err != nil {
			return err
		}
		for _, file := range files {
			if o.dryRun {
				fmt.Fprintf(std.out, "not removed: %s, of a host that is no member of mesh %s\n", file, m.Name)
				continue
			}
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("remove the key of a host that is no member of mesh %s: %w", m.Name, err)
			}
			fmt.Fprintf(std.out, "removed %s, of a host that is no member of mesh %s\n", file, m.Name)
		}
	}
	return nil
}

// staleKeys are the files of keys in the folder of a mesh that are of no member of any mesh.
// Only files with names that muster gives them count, a private key with its public one.
func staleKeys(fleet *schema.Fleet, m *schema.Mesh) ([]string, error) {
	at := func(file string) string {
		if filepath.IsAbs(file) {
			return filepath.Clean(file)
		}
		return filepath.Join(fleet.Dir, file)
	}
	keep := map[string]bool{}
	for _, of := range fleet.Meshes { // several may have one folder
		for _, member := range of.Members {
			keep[at(of.KeyFile(member.Host))], keep[at(of.NextKeyFile(member.Host))] = true, true
		}
	}
	folder := filepath.Dir(at(m.KeyFile("x")))
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var stale []string
	for _, e := range entries {
		age := filepath.Join(folder, e.Name())
		public := schema.PublicKeyFile(age)
		if keep[age] || filepath.Ext(age) != ".age" || !e.Type().IsRegular() {
			continue
		}
		text, err := foreign.ReadFile(public, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: false})
		if err == nil && schema.IsMeshKey(strings.TrimSpace(string(text))) {
			stale = append(stale, age, public)
		}
	}
	return stale, nil
}

// tellAssigned prints what becomes of addresses.
func tellAssigned(std streams, before, now schema.MeshLock) {
	table := ui.NewReport(std.out, "mesh", "host", "was", "is")
	meshes := maps.Clone(now.Meshes)
	maps.Copy(meshes, before.Meshes)
	for _, mesh := range slices.Sorted(maps.Keys(meshes)) {
		hosts := maps.Clone(now.Meshes[mesh])
		if hosts == nil {
			hosts = map[string][]netip.Addr{}
		}
		maps.Copy(hosts, before.Meshes[mesh])
		for _, host := range slices.Sorted(maps.Keys(hosts)) {
			if was, is := before.Meshes[mesh][host], now.Meshes[mesh][host]; !slices.Equal(was, is) {
				table.Row(mesh, host, addressesText(was), addressesText(is))
			}
		}
	}
	table.Flush()
}

// addressesText is a list of addresses, or "none".
func addressesText(list []netip.Addr) string {
	if len(list) == 0 {
		return "none"
	}
	var all []string
	for _, a := range list {
		all = append(all, a.String())
	}
	return strings.Join(all, ", ")
}

// meshSwitchOptions are those of mesh switch, which has hosts switch to their next keys.
type meshSwitchOptions struct {
	noRules
	selection selectFlags
	ssh       sshFlags
	jobs      jobsFlag
}

func (o *meshSwitchOptions) groups() []group {
	return []group{&o.selection, &o.ssh, &o.jobs}
}

func (o *meshSwitchOptions) addFlags(*flags.Set) {}

func (o *meshSwitchOptions) run(ctx context.Context, std streams, args []string) error {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, connects: true})
	if err != nil {
		return err
	}
	defer s.close()
	turns := meshTurns(s.fleet, s.hosts)
	if len(turns) == 0 {
		return usageError{errors.New("no chosen host has a next key: muster secrets rotate mesh-NAME --on HOST makes one")}
	}
	for _, t := range turns {
		if err := o.turn(ctx, s, t); err != nil {
			return err
		}
	}
	return nil
}

// A meshTurn is the switch of one host to its next key.
type meshTurn struct {
	mesh   *schema.Mesh
	member *schema.MeshMember
	hosts  []*schema.Host // all members, the one with the key first
}

// meshTurns are the switches that are due for hosts.
func meshTurns(fleet *schema.Fleet, hosts []*schema.Host) []meshTurn {
	var turns []meshTurn
	for _, m := range fleet.Meshes {
		for _, member := range m.Members {
			own := fleet.Host(member.Host)
			if member.NextKey == "" || !slices.Contains(hosts, own) {
				continue
			}
			t := meshTurn{mesh: m, member: member, hosts: []*schema.Host{own}}
			for _, other := range m.Members {
				if other != member {
					t.hosts = append(t.hosts, fleet.Host(other.Host))
				}
			}
			turns = append(turns, t)
		}
	}
	return turns
}

// turn switches one host and then the others, and makes the next key the host's in the
// inventory:
//
//	knows      every member has the next key
//	later      the others are told to switch in a while, each in the background
//	later      the host is told to switch a moment before them
//	switched   all have
//
// The host comes first: what it still gets under its former key it can read, and what it
// sends waits until the others have switched. All are told beforehand, for the connections
// to them may lead through the mesh.
func (o *meshSwitchOptions) turn(ctx context.Context, s *session, t meshTurn) error {
	began := time.Now()
	if err := o.command(ctx, s, t.hosts, true, "knows", t.mesh.Name, t.member.NextKey); err != nil {
		fmt.Fprintf(s.std.err, "nothing was switched: not all members of mesh %s know the next key of %s: muster deploy brings it to them\n", t.mesh.Name, t.member.Host)
		return err
	}
	round := time.Since(began)
	later := func(hosts []*schema.Host, in time.Duration) error {
		return o.command(ctx, s, hosts, true, "later", t.mesh.Name, t.member.NextKey, fmt.Sprintf("%.1f", max(in, 0).Seconds()))
	}
	told := time.Now()
	in := 3*round + switchMargin
	failed := later(t.hosts[1:], in)
	if err := later(t.hosts[:1], time.Until(told.Add(in-round-switchMargin))); err != nil {
		return err
	}
	time.Sleep(time.Until(told.Add(in + round)))
	err := o.switched(ctx, s, t)
	if err := t.promote(s.fleet.Dir); err != nil {
		return err
	}
	if err = cmp.Or(failed, err); err == nil {
		fmt.Fprintf(s.std.out, "mesh %s: %s has switched to its next key, and so have %s; muster deploy removes the former one\n", t.mesh.Name, t.member.Host, human.Count(len(t.hosts)-1, "other member"))
	}
	return err
}

// switchMargin is how long before the others a host switches, and switchTries how often is
// asked, a second apart, whether all have.
const (
	switchMargin = time.Second
	switchTries  = 10
)

// switched waits until all members have switched. Those that have not by then get the next
// key with the next deployment.
func (o *meshSwitchOptions) switched(ctx context.Context, s *session, t meshTurn) (err error) {
	for try := range switchTries {
		if err = o.command(ctx, s, t.hosts, try == switchTries-1, "switched", t.mesh.Name, t.member.NextKey); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
	return err
}

// command runs a command of the hosts' own program for meshes, and tells of those where it
// fails.
func (o *meshSwitchOptions) command(ctx context.Context, s *session, hosts []*schema.Host, tell bool, words ...string) error {
	s.hosts = hosts
	plan := s.planWithoutSystems(exec.Command)
	plan.Command = append([]string{host.MeshProgram}, words...)
	outcomes := exec.Run(ctx, plan, s.options(plan, &o.ssh, &o.jobs))
	for _, out := range outcomes {
		if tell && out.Err != nil {
			fmt.Fprintf(s.std.err, "%s: %s\n", out.Host, ui.Printable(out.Err.Error()))
		}
	}
	return status(ctx, outcomes)
}

// promote makes the next key the host's key in the inventory.
func (t *meshTurn) promote(dir string) error {
	at := func(file string) string {
		if filepath.IsAbs(file) {
			return file
		}
		return filepath.Join(dir, file)
	}
	from, to := t.mesh.NextKeyFile(t.member.Host), t.mesh.KeyFile(t.member.Host)
	return errors.Join(os.Rename(at(from), at(to)), os.Rename(at(schema.PublicKeyFile(from)), at(schema.PublicKeyFile(to))))
}

// writeMeshKey encrypts a private key of WireGuard to a file, and writes its public key
// beside it.
func (k *keeper) writeMeshKey(file string, private []byte) error {
	public, err := secret.WireGuardPublicKey(private)
	if err != nil {
		return fmt.Errorf("%q: %w", file, err)
	}
	if err := k.write(file, private); err != nil {
		return err
	}
	return writeFile(k.reader.Path(schema.PublicKeyFile(file)), []byte(public+"\n"))
}

// rotateMeshKey makes the next key of a host in a mesh. It takes the place of the key when
// all members know it.
func (k *keeper) rotateMeshKey(s *schema.Secret) error {
	m := k.fleet.Mesh(s.Mesh)
	var host string
	k.each(func(o *schema.Secret, hosts []*schema.Host) {
		if o.Age == s.Age {
			host = hosts[0].Name
		}
	})
	next := *s
	next.Name, next.Age = m.NextSecret(), m.NextKeyFile(host)
	if _, err := os.Lstat(k.reader.Path(s.Age)); errors.Is(err, fs.ErrNotExist) {
		return k.generate([]*schema.Secret{s})
	}
	if _, err := os.Lstat(k.reader.Path(next.Age)); err == nil {
		return fmt.Errorf("%s: %s has a next key already: muster deploy brings it to all members, and muster mesh switch makes them take it", next.Age, host)
	}
	if err := k.generate([]*schema.Secret{&next}); err != nil {
		return err
	}
	fmt.Fprintf(k.std.out, "  %s keeps its key until muster deploy has brought the next one to %s, and muster mesh switch makes them take it\n", host, human.Count(len(m.Members), "member"))
	return nil
}
