package cmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"muster/cmd/flags"
	"muster/exec"
	"muster/exec/foreign"
	"muster/exec/human"
)

// imageFlags have build make images of hosts instead of their systems.
type imageFlags struct {
	kind    string
	modules []string
	out     string
}

func (f *imageFlags) addFlags(fs *flags.Set) {
	fs.Var(flags.Of(&f.kind, "", imageKind), "image", "build an image of this `kind` instead of the system: iso, vm, sd and what else system.build.images or system.build have")
	fs.Var(flags.ListOf(&f.modules, flags.Existing()), "module", "with --image: add the NixOS module in this `file`; may be repeated")
	fs.Var(flags.Of(&f.out, "", archiveName()), "out", "with --image: put the image at this `path`; into a directory, as HOST-FILE")
}

func (f *imageFlags) check() error {
	if f.kind == "" && (len(f.modules) > 0 || f.out != "") {
		return errors.New("--module and --out need --image")
	}
	return nil
}

// beginWithImages reads the fleet, and evaluates the images of its hosts.
func (o *deployOptions) beginWithImages(ctx context.Context, std streams, args []string, _ func(context.Context, *session) error) (*session, error) {
	s, err := begin(ctx, std, args, needs{selection: &o.selection, warnings: true, nix: true, ui: o.output.reporter})
	if err != nil {
		return nil, err
	}
	if err = o.image.evaluate(ctx, s, &o.how); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (f *imageFlags) evaluate(ctx context.Context, s *session, how *evaluateFlags) error {
	if f.out != "" && len(s.systems) > 1 && !isDirectory(f.out) {
		return usageError{fmt.Errorf("--out %s: it is one file, for %s: want a directory, whose name ends in /", f.out, human.Count(len(s.systems), "host"))}
	}
	var modules []string
	for _, name := range f.modules {
		abs, err := filepath.Abs(name)
		if err != nil {
			return fmt.Errorf("find %s: %w", name, err)
		}
		modules = append(modules, abs)
	}
	e, err := how.embedded(s.fleet, s.std.err)
	if err != nil {
		return err
	}
	defer holdCollector().release()
	e.Store = s.nix
	s.results, err = e.Images(ctx, s.systems, f.kind, modules)
	s.profiles = nil
	return err
}

func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return strings.HasSuffix(name, "/") || err == nil && info.IsDir()
}

// place puts the images that were built where the user wants them.
func (f *imageFlags) place(s *session, outcomes []exec.Outcome) error {
	var all []error
	for _, out := range outcomes {
		if !out.OK() || out.System == "" {
			continue
		}
		source, err := imageIn(string(out.System))
		if err == nil {
			var to string
			if to, err = f.put(out.Host, source); err == nil {
				s.note("%s: %s", out.Host, to)
			}
		}
		if err != nil {
			all = append(all, fmt.Errorf("%s: put the image of %s: %w", out.Host, f.kind, err))
		}
	}
	return errors.Join(all...)
}

// imageIn finds the image in what was built: the file that it names for Hydra, or the
// only one. What is no single file, such as a virtual machine with its script, is all
// of it.
func imageIn(built string) (string, error) {
	products, err := foreign.ReadFile(built+"/nix-support/hydra-build-products", foreign.Limits{Size: 1 << 20, Links: true})
	if err == nil {
		for line := range strings.Lines(string(products)) {
			if words := strings.Fields(line); len(words) == 3 && words[0] == "file" && strings.HasPrefix(words[2], built+"/") {
				return words[2], nil
			}
		}
	}
	var files []string
	err = filepath.WalkDir(built, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "nix-support":
			return fs.SkipDir
		case !d.IsDir():
			files = append(files, name)
		}
		return nil
	})
	if err != nil {
		return "", plainError("read", built, err)
	}
	if len(files) == 1 {
		if info, err := os.Lstat(files[0]); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 == 0 {
			return files[0], nil
		}
	}
	return built, nil
}

// put copies an image to its place, all of it or nothing, or links to a directory of the
// store. It returns the place.
func (f *imageFlags) put(host, source string) (string, error) {
	to := f.out
	if isDirectory(f.out) {
		if err := os.MkdirAll(f.out, 0o755); err != nil {
			return "", plainError("make", f.out, err)
		}
		to = filepath.Join(f.out, host+"-"+withoutDigest(filepath.Base(source)))
	}
	root, err := os.OpenRoot(filepath.Dir(to))
	if err != nil {
		return "", plainError("open", filepath.Dir(to), err)
	}
	defer root.Close()
	if info, err := os.Stat(source); err == nil && info.IsDir() {
		return to, placeLink(root, source, filepath.Base(to))
	}
	return to, placeCopy(root, source, filepath.Base(to))
}

// withoutDigest is the name of a store path without its digest.
func withoutDigest(name string) string {
	if digest, rest, ok := strings.Cut(name, "-"); ok && len(digest) == 32 {
		return rest
	}
	return name
}

func placeLink(root *os.Root, source, name string) error {
	f, temp, err := foreign.CreateTemp(root)
	if err != nil {
		return plainError("write", name, err)
	}
	f.Close()
	root.Remove(temp)
	if err = root.Symlink(source, temp); err == nil {
		err = root.Rename(temp, name)
	}
	if err != nil {
		root.Remove(temp)
	}
	return plainError("link", name, err)
}

// maxImage is the largest image that is copied.
const maxImage = 1 << 40

func placeCopy(root *os.Root, source, name string) error {
	from, err := foreign.Open(source, foreign.Limits{Size: maxImage, Links: true})
	if err != nil {
		return err
	}
	defer from.Close()
	return plainError("write", name, foreign.Replace(root, name, func(f *os.File) error {
		if _, err := io.Copy(f, bufio.NewReaderSize(from, 1<<20)); err != nil {
			return err
		}
		if err := f.Chmod(0o644); err != nil {
			return err
		}
		return f.Sync()
	}))
}
