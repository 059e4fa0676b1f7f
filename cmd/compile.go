package cmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"muster/cmd/flags"
	"muster/compile"
	"muster/compile/syntax"
	"muster/exec/foreign"
	"muster/schema"
)

// compileOptions are those of compile, which prints the Nix that an inventory
// means.
type compileOptions struct {
	reading loadFlags
	output  string
	format  compile.Format
	split   string
}

func (o *compileOptions) groups() []group { return []group{&o.reading} }

func (o *compileOptions) addFlags(fs *flags.Set) {
	fs.VarP(flags.Of(&o.output, "", orStandardOutput(flags.NewFile())), "output", "o", "write to this `file` instead of standard output")
	fs.Var(flags.OneOf(&o.format, compile.Formats()...), "format", "write for this `tool`: %s")
	fs.Var(flags.Of(&o.split, "", flags.NewDirectory()), "split", "write one file per host and one per role into this `directory`")
}

func (o *compileOptions) check() error {
	if o.split != "" && o.output != "" {
		return errors.New("--split excludes --output")
	}
	return nil
}

func (o *compileOptions) run(ctx context.Context, std streams, args []string) error {
	defer saveMemory()()
	opts := compile.Options{Format: o.format}
	fleet, err := o.reading.load(ctx, args)
	if err != nil {
		return err
	}
	printWarningsOf(fleet, std)
	if o.split != "" {
		return o.writeSplit(std, fleet, opts)
	}
	if o.output != "" && o.output != "-" {
		abs, err := filepath.Abs(o.output)
		if err != nil {
			return fmt.Errorf("write %s: %w", o.output, err)
		}
		opts.Dir = filepath.Dir(abs)
	}
	text, err := compile.Text(fleet, opts)
	if err != nil {
		return err
	}
	if o.output == "" || o.output == "-" {
		return writeAll(std.doc, text)
	}
	return writeFile(o.output, text...)
}

// writeSplit writes the network as several files below a directory, and prints
// their names.
func (o *compileOptions) writeSplit(std streams, fleet *schema.Fleet, opts compile.Options) error {
	abs, err := filepath.Abs(o.split)
	if err != nil {
		return fmt.Errorf("write %s: %w", o.split, err)
	}
	opts.Dir = abs
	written := map[string]bool{}
	err = compile.Split(fleet, opts, func(f *syntax.File) error {
		name := filepath.Join(o.split, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		var text bytes.Buffer
		if err := syntax.Fprint(&text, f); err != nil {
			return err
		}
		if err := writeFile(name, text.Bytes()); err != nil {
			return err
		}
		fmt.Fprintln(std.out, name)
		written[name] = true
		return nil
	})
	if err != nil {
		return err
	}
	return removeStale(std, o.split, written)
}

// maxGenerated is the largest file of Nix, in bytes, that is looked at for muster's header.
const maxGenerated = 256 << 20

// removeStale removes the files of hosts and roles that the inventory no longer
// has, if their header says that muster wrote them.
func removeStale(std streams, dir string, written map[string]bool) error {
	for _, below := range []string{"hosts", "roles"} {
		files, err := filepath.Glob(filepath.Join(dir, below, "*.nix"))
		if err != nil {
			return err
		}
		for _, name := range files {
			if written[name] {
				continue
			}
			text, err := foreign.ReadFile(name, foreign.Limits{Size: maxGenerated, Time: foreign.Time})
			if err != nil || !bytes.HasPrefix(text, []byte("# "+compile.Header)) {
				continue
			}
			if err := os.Remove(name); err != nil {
				return plainError("remove", name, err)
			}
			fmt.Fprintf(std.out, "%s removed\n", name)
		}
	}
	return nil
}

// writeFile replaces a file in one step, or leaves it unchanged. It follows links
// and keeps the mode of an existing file. It writes straight to what is not a
// regular file, such as /dev/null.
func writeFile(name string, data ...[]byte) error {
	target, err := filepath.EvalSymlinks(name)
	if err != nil {
		target = name
	}
	mode := os.FileMode(0o666) // less the umask
	switch info, err := os.Stat(target); {
	case err == nil && info.IsDir():
		return fmt.Errorf("write %s: it is a directory", name)
	case err == nil && !info.Mode().IsRegular():
		return plainError("write", name, overwrite(target, data))
	case err == nil:
		mode = info.Mode().Perm()
	}
	// The name is random, so that no other user can have made the file before.
	temp := filepath.Join(filepath.Dir(target), "."+filepath.Base(target)+"."+rand.Text()[:8])
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return plainError("write", name, err)
	}
	defer os.Remove(temp)
	err = writeAll(f, data)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(temp, target)
	}
	return plainError("write", name, err)
}

// overwrite writes to what is there already and is not a regular file.
func overwrite(name string, data [][]byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	err = writeAll(f, data)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

func writeAll(w io.Writer, data [][]byte) error {
	for _, part := range data {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// plainError is an error of the file system with the name that the user gave,
// rather than that of a temporary file.
func plainError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("%s %s: %w", op, name, err)
}
