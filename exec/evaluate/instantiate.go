package evaluate

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"muster/compile/eval"
	"muster/compile/store"
	"muster/exec/nixcmd"
	"muster/exec/nixserve"
)

// instantiate writes derivations that an evaluator has made, and everything they
// refer to, to the local store.
func instantiate(ctx context.Context, nix *nixcmd.Nix, ev *eval.Evaluator, drvs []store.Path) error {
	objects := &closure{ev: ev, seen: map[store.Path]bool{}}
	for _, drv := range drvs {
		objects.add(drv)
	}
	if len(objects.order) == 0 {
		return nil // they come from the cache, and are in the store
	}
	client, err := serve(ctx, nix, true)
	if err != nil {
		return err
	}
	defer client.Close()
	valid, err := client.QueryValidPaths(ctx, objects.order, true, false)
	if err != nil {
		return err
	}
	have := setOf(valid)
	var infos []nixserve.PathInfo
	archives := map[store.Path][]byte{}
	for _, p := range objects.order {
		if have[p] {
			continue
		}
		info, archive, err := objects.object(p)
		if err != nil {
			return fmt.Errorf("write %s to the store: %w", p, err)
		}
		infos = append(infos, info)
		if archive != nil {
			archives[p] = archive
		}
	}
	_, err = client.Send(ctx, infos, func(_ context.Context, info nixserve.PathInfo, w io.Writer) error {
		if archive, ok := archives[info.Path]; ok {
			_, err := w.Write(archive)
			return err
		}
		return objects.dump(info.Path, w)
	}, nil)
	if err != nil {
		return fmt.Errorf("write derivations to the store: %w", err)
	}
	return nil
}

// validIn returns those of some paths that are in the local store.
func validIn(ctx context.Context, nix *nixcmd.Nix, paths []store.Path) (map[store.Path]bool, error) {
	client, err := serve(ctx, nix, false)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	valid, err := client.QueryValidPaths(ctx, paths, false, false)
	return setOf(valid), err
}

func setOf(paths []store.Path) map[store.Path]bool {
	set := map[store.Path]bool{}
	for _, p := range paths {
		set[p] = true
	}
	return set
}

// A closure is the store objects that derivations of an evaluator refer to,
// references first.
type closure struct {
	ev    *eval.Evaluator
	seen  map[store.Path]bool
	order []store.Path
}

// add adds a path and, before it, everything it refers to. Paths that are not
// the evaluator's are in the store already.
func (c *closure) add(p store.Path) {
	if c.seen[p] {
		return
	}
	c.seen[p] = true
	var refs []store.Path
	if d := c.ev.Derivation(p); d != nil {
		refs = d.References()
	} else if s, ok := c.ev.Source(p); ok {
		refs = s.References
	} else {
		return
	}
	for _, ref := range refs {
		c.add(ref)
	}
	c.order = append(c.order, p)
}

// object returns the registration of a path, and its archive if that is small:
// nil for the copy of a file or directory.
func (c *closure) object(p store.Path) (nixserve.PathInfo, []byte, error) {
	if d := c.ev.Derivation(p); d != nil {
		return textObject(p, d.ATerm(), d.References())
	}
	s, _ := c.ev.Source(p)
	if s.File == "" {
		return textObject(p, []byte(s.Text), s.References)
	}
	sum := store.NewHashWriter(store.SHA256, io.Discard)
	if err := c.dump(p, sum); err != nil {
		return nixserve.PathInfo{}, nil, err
	}
	info := nixserve.PathInfo{Path: p, References: s.References, NARHash: sum.Sum(), NARSize: sum.Size()}
	info.CA = store.FixedCA(info.NARHash, true)
	if s.Flat {
		content, err := hashOf(s.File)
		if err != nil {
			return nixserve.PathInfo{}, nil, err
		}
		info.CA = store.FixedCA(content, false)
	}
	return info, nil, nil
}

// hashOf returns the hash of the content of a file of any size.
func hashOf(name string) (store.Hash, error) {
	f, err := store.Disk{}.Open(name)
	if err != nil {
		return store.Hash{}, err
	}
	defer f.Close()
	sum := store.NewHashWriter(store.SHA256, nil)
	if _, err := io.Copy(sum, f); err != nil {
		return store.Hash{}, err
	}
	return sum.Sum(), nil
}

// textObject is object for a path that is a text.
func textObject(p store.Path, text []byte, references []store.Path) (nixserve.PathInfo, []byte, error) {
	var archive bytes.Buffer
	sum := store.NewHashWriter(store.SHA256, &archive)
	if err := store.DumpFile(sum, text, false); err != nil {
		return nixserve.PathInfo{}, nil, err
	}
	info := nixserve.PathInfo{Path: p, References: references, NARHash: sum.Sum(), NARSize: sum.Size(), CA: store.TextCA(string(text))}
	return info, archive.Bytes(), nil
}

// dump writes the archive of a copied file or directory.
func (c *closure) dump(p store.Path, w io.Writer) error {
	s, ok := c.ev.Source(p)
	if !ok {
		return fmt.Errorf("%s is not a source of this evaluation", p)
	}
	return store.Dump(w, s.File, func(path string, _ store.FileType) (bool, error) { return !s.Omit[path], nil })
}
