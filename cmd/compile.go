package cmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"muster/compile"
	"muster/compile/syntax"
	"muster/schema"
)

type compileOptions struct {
	output string
	format string
	split  string
}

func (o *compileOptions) addFlags(fs *pflag.FlagSet) {
	fs.StringVarP(&o.output, "output", "o", "", "write to this `file` instead of standard output")
	fs.StringVar(&o.format, "format", string(compile.Muster), "write for this `tool`: muster, nixops, morph, colmena or flake")
	fs.StringVar(&o.split, "split", "", "write one file a host and one a role into this `directory`")
}

func (o *compileOptions) run(ctx context.Context, std streams, args []string) error {
	opts := compile.Options{Format: compile.Format(o.format)}
	if !slices.Contains(compile.Formats(), opts.Format) {
		return usageError{fmt.Errorf("--format %s: there is muster, nixops, morph, colmena and flake", o.format)}
	}
	fleet, err := loadFleet(ctx, std, args)
	if err != nil {
		return err
	}
	if o.split != "" {
		if o.output != "" {
			return usageError{errors.New("compile: --split and --output exclude each other")}
		}
		return o.writeSplit(std, fleet, opts)
	}
	if o.output != "" {
		abs, err := filepath.Abs(o.output)
		if err != nil {
			return fmt.Errorf("write %s: %v", o.output, err)
		}
		opts.Dir = filepath.Dir(abs)
	}
	file, err := compile.Network(fleet, opts)
	if err != nil {
		return err
	}
	if o.output == "" {
		return syntax.Fprint(std.out, file)
	}
	return writeNix(o.output, file)
}

// writeSplit writes the network as several files below a directory, and says
// which.
func (o *compileOptions) writeSplit(std streams, fleet *schema.Fleet, opts compile.Options) error {
	abs, err := filepath.Abs(o.split)
	if err != nil {
		return fmt.Errorf("write %s: %v", o.split, err)
	}
	opts.Dir = abs
	files, err := compile.Split(fleet, opts)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := filepath.Join(o.split, f.Name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return fmt.Errorf("write %s: %v", name, err)
		}
		if err := writeNix(name, f); err != nil {
			return err
		}
		fmt.Fprintln(std.out, name)
	}
	return nil
}

func writeNix(name string, file *syntax.File) error {
	var text bytes.Buffer
	if err := syntax.Fprint(&text, file); err != nil {
		return err
	}
	return writeFile(name, text.Bytes())
}

// writeFile writes a file whole or not at all.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %v", name, err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return fmt.Errorf("write %s: %v", name, err)
	}
	return nil
}
