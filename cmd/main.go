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
// once. A terminal or a pipe that goes away is an interrupt too, and ends nothing
// at once: a host whose activation has begun is not left half way.
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
	interruptOnHangup(stop)
	lost := func(err error) {
		if errors.Is(err, syscall.EPIPE) {
			stop(errInterrupted)
		}
	}
	return Run(ctx, os.Args[1:], os.Stdin, &pipeWriter{os.Stdout, lost}, &pipeWriter{os.Stderr, lost})
}

var errInterrupted = errors.New("interrupted")

// interruptOnHangup calls stop when the terminal goes away, unless nohup has this
// process ignore that, and has writes to a pipe without a reader fail instead of
// ending the process. The kernel and the shell may both tell of one terminal, so a
// second hangup is none to leave at once.
func interruptOnHangup(stop context.CancelCauseFunc) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if signal.Ignored(syscall.SIGHUP) {
		return
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for range hangups {
			stop(errInterrupted)
		}
	}()
}

// A pipeWriter tells of errors of writing.
type pipeWriter struct {
	file   *os.File
	failed func(error)
}

// Unwrap returns the file that the text goes to.
func (p *pipeWriter) Unwrap() io.Writer { return p.file }

func (p *pipeWriter) Write(text []byte) (int, error) {
	n, err := p.file.Write(text)
	if err != nil {
		p.failed(err)
	}
	return n, err
}

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
	defer std.warn.show()
	switch {
	case checked.err == nil:
	case errors.Is(checked.err, syscall.EPIPE) && (err == nil || errors.Is(err, syscall.EPIPE)):
		return exitPipe // the reader has what it wanted
	case err == nil:
		err = fmt.Errorf("write the output: %w", checked.err)
	case errors.As(err, new(exitError)) && !errors.Is(checked.err, syscall.EPIPE):
		printHinted(std.err, fmt.Errorf("write the output: %w", checked.err), "")
	}
	return report(ctx, std.err, command, err)
}

// exitPipe is the exit status of a program that a closed pipe ends, as shells tell it.
const exitPipe = 128 + int(syscall.SIGPIPE)

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
