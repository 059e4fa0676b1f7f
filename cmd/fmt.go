package cmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"muster/cmd/flags"
	"muster/compile"
	"muster/exec"
	"muster/exec/foreign"
	"muster/schema"
)

// fmtOptions are those of fmt, which formats an inventory.
type fmtOptions struct {
	noRules
	dry bool
}

func (o *fmtOptions) groups() []group { return nil }

func (o *fmtOptions) addFlags(fs *flags.Set) {
	fs.Var(flags.Bool(&o.dry, false), "check", "change nothing, list the files that would change, and fail if there are any")
}

// run formats the CUE files of an inventory, or standard input for "-".
func (o *fmtOptions) run(ctx context.Context, std streams, args []string) error {
	path := inventory(args)
	if path == "-" {
		src, err := foreign.ReadAll(std.in, "standard input", schema.MaxFileSize)
		if err != nil {
			return fmt.Errorf("read standard input: %v", err)
		}
		out, err := schema.Format("-.cue", src, compile.FormatSnippet)
		if err != nil {
			return err
		}
		_, err = std.doc.Write(out)
		return err
	}
	files, err := cueFiles(path)
	if err != nil {
		return err
	}
	changed := 0
	for _, name := range files {
		if filepath.Ext(name) != ".cue" {
			return usageError{fmt.Errorf("format %s: want a CUE file", name)}
		}
		src, err := foreign.ReadFile(name, foreign.Limits{Size: schema.MaxFileSize, Time: foreign.Time, Links: true})
		if err != nil {
			return fmt.Errorf("format: %w", err)
		}
		out, err := schema.Format(name, src, compile.FormatSnippet)
		if err != nil {
			return err
		}
		if bytes.Equal(src, out) {
			continue
		}
		changed++
		fmt.Fprintln(std.out, name)
		if o.dry {
			continue
		}
		if err := writeFile(name, out); err != nil {
			return err
		}
	}
	if o.dry && changed > 0 {
		return exitError(exec.ExitFailed)
	}
	return nil
}

// cueFiles returns the file itself, or the CUE files of a directory.
func cueFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, usageError{fmt.Errorf("format: %w", err)}
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	return filepath.Glob(filepath.Join(path, "*.cue"))
}
