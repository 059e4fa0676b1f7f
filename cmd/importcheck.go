package cmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"

	"muster/compile/store"
	"muster/exec"
	"muster/exec/archive"
	"muster/exec/foreign"
	"muster/exec/human"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
)

// An importing is an import before anything is loaded: it looks at whether the archive is for this machine, whether there
// is room, and whether the store is what its database says.
type importing struct {
	*session
	options *importOptions

	step    exec.Step
	closure []nixserve.PathInfo // what this machine needs of the archive
}

// admit is called before the bulk of the archive is read.
func (i *importing) admit(a *archive.Archive) (err error) {
	if i.step, err = i.options.step(&a.Manifest); err != nil {
		return err
	}
	paths := i.step.Paths
	if i.step.System.Out != "" {
		paths = append(paths[:len(paths):len(paths)], i.step.System.Out)
	}
	if i.closure, err = a.Closure(context.Background(), paths); err != nil {
		return err
	}
	var need int64
	for _, info := range i.closure {
		if _, err := os.Lstat(string(info.Path)); errors.Is(err, fs.ErrNotExist) {
			need += info.NARSize
		}
	}
	if free, known := freeSpace(store.Dir); known && need > free {
		return fmt.Errorf("%s to copy, and only %s free for %s", human.Bytes(need), human.Bytes(free), store.Dir)
	}
	return nil
}

// freeSpace is how many bytes a user may still write to the file system of a directory.
func freeSpace(dir string) (free int64, known bool) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, false
	}
	return int64(s.Bavail) * int64(s.Bsize), true
}

// mend finds paths of the closure that the store has with other contents than it believes, and mends them if it may.
func (i *importing) mend(ctx context.Context, a *archive.Archive) error {
	damaged, err := i.damaged(ctx)
	if err != nil || len(damaged) == 0 {
		return err
	}
	if !i.options.repair {
		return fmt.Errorf("%s in the store of this machine changed since it was registered, such as %s: nothing was done; import --repair mends that",
			human.Count(len(damaged), "path"), damaged[0])
	}
	dir, err := os.MkdirTemp("", "muster-repair-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := a.Cache(ctx, dir, damaged); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	if err := i.nix.Run(ctx, archive.RepairCommand(dir, damaged), nil, nil); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	left, err := i.damaged(ctx)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("repair: %s is as it was", left[0])
	}
	if err == nil {
		i.note("repaired %s", human.Count(len(damaged), "path"))
	}
	return err
}

func (i *importing) damaged(ctx context.Context) ([]store.Path, error) {
	stream, err := i.nix.Serve(ctx, false)
	if err != nil {
		return nil, err
	}
	c, err := nixserve.New(ctx, stream)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	damaged, err := archive.Damaged(ctx, c, store.Dir, i.closure)
	if err != nil {
		return nil, fmt.Errorf("look at the store: %w", err)
	}
	return damaged, nil
}

// requiredFile is a setting of the machine: an import must be signed by one of the keys in it, one a line, whatever the
// flags say. Lines that begin with # are comments.
const requiredFile = "/etc/muster/require-signature"

// requiredKeys are the keys of which one must have signed the archive, by the flags and by the machine's setting.
func (o *importOptions) requiredKeys() ([]archive.PublicKey, error) {
	all, err := keysIn(requiredFile)
	if errors.Is(err, fs.ErrNotExist) {
		return o.required, nil
	}
	if err != nil {
		return nil, err
	}
	var keys []archive.PublicKey
	for _, k := range all {
		if len(o.required) == 0 || slices.Contains(o.required, k) {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: it has no key, or none of those of --require-signature: nothing can be imported", requiredFile)
	}
	return keys, nil
}

// keysIn reads a file of public keys, one a line.
func keysIn(file string) (keys []archive.PublicKey, err error) {
	text, err := foreign.ReadFile(file, foreign.Limits{Size: 1 << 16, Trusted: true, Links: true})
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		k, err := archive.ParsePublicKey(line)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// trustedKeys are the keys that Nix on this machine trusts: signatures by others are not written into its database. Where
// Nix does not tell, that is none.
func trustedKeys(ctx context.Context, nix *nixcmd.Nix) []archive.PublicKey {
	var out strings.Builder
	if err := nix.Run(ctx, []string{"nix", "--extra-experimental-features", "nix-command", "show-config"}, &out, nil); err != nil {
		return nil
	}
	var keys []archive.PublicKey
	for line := range strings.Lines(out.String()) {
		name, value, _ := strings.Cut(line, " = ")
		if name != "trusted-public-keys" {
			continue
		}
		for _, text := range strings.Fields(value) {
			if k, err := archive.ParsePublicKey(text); err == nil {
				keys = append(keys, k)
			}
		}
	}
	return keys
}
