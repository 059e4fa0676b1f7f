package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"muster/cmd/ui"
	"muster/compile/eval/collector"
	"muster/exec"
	"muster/exec/human"
)

// Main runs muster with the arguments of the process and returns its exit status.
// The first interrupt lets activations finish. The second ends the process at
// once.
func Main() int {
	beginStart()
	clearEnvironment()
	dropRelativeHome(os.Stderr)
	collector.AllowDeepStacks()
	ctx, stop := context.WithCancelCause(context.Background())
	defer stop(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop(errInterrupted)
		<-signals
		ui.Leave()
		os.Exit(exec.ExitInterrupted)
	}()
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

var errInterrupted = errors.New("interrupted")

// Run runs muster with args and returns its exit status.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) int {
	checked := &checkedWriter{w: out}
	std := streams{in: in, out: human.NewPlainWriter(checked), doc: checked, err: human.NewPlainWriter(errs)}
	std.warn = &warningWriter{w: std.err}
	if ui.IsTerminal(out) {
		std.doc = std.out
	}
	root := newRoot(std)
	if len(args) > 0 && (args[0] == cobra.ShellCompRequestCmd || args[0] == cobra.ShellCompNoDescRequestCmd) {
		completeValues(root)
	}
	root.SetArgs(joinArgs(args))
	command, err := root.ExecuteContextC(ctx)
	if err == nil && checked.err != nil {
		err = fmt.Errorf("write the output: %w", checked.err)
	}
	defer std.warn.show()
	return report(ctx, std.err, command, err)
}

// A checkedWriter keeps the first error of writing.
type checkedWriter struct {
	w   io.Writer
	err error
}

// Unwrap returns the writer that the text goes to.
func (c *checkedWriter) Unwrap() io.Writer { return c.w }

func (c *checkedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil && c.err == nil {
		c.err = err
	}
	return n, err
}

// version is the version that the build recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && (v == "" || v == "(devel)") {
			v = s.Value[:min(12, len(s.Value))]
		}
	}
	return v
}
