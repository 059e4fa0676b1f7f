package nixcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/exec/bounded"
	"muster/exec/ondemand"
)

// A Nix is the Nix installed on this machine.
type Nix struct {
	// Env is added to the environment of every command.
	Env []string
}

// ErrNoNix means that this machine has no Nix.
var ErrNoNix = errors.New("nix is not installed here: nix-store is not in PATH")

// Find returns the Nix in PATH, or [ErrNoNix].
func Find() (*Nix, error) {
	if _, err := exec.LookPath("nix-store"); err != nil {
		return nil, ErrNoNix
	}
	return &Nix{}, nil
}

// Version returns the version of nix-store, such as "2.8.0". It runs nix-store.
func (n *Nix) Version(ctx context.Context) (string, error) {
	out, err := n.output(ctx, nil, nil, "nix-store", "--version")
	if err != nil {
		return "", err
	}
	// nix-store (Nix) 2.8.0
	words := strings.Fields(string(out))
	if len(words) == 0 {
		return "", fmt.Errorf("nix-store --version: no version in %q", out)
	}
	return words[len(words)-1], nil
}

// An ExitError is the failure of a command.
type ExitError struct {
	Command string // the command with its first options
	Status  int    // exit status; -1 after a signal
	Stderr  string // standard error: at most the first and the last half megabyte
}

// Error returns the command and its error message or exit status.
func (e *ExitError) Error() string {
	if msg := e.Message(); msg != "" {
		return fmt.Sprintf("%s: %s", e.Command, msg)
	}
	return fmt.Sprintf("%s: exit status %d", e.Command, e.Status)
}

// Message returns the error message in standard error, without the trace, or "".
func (e *ExitError) Message() string { return message(e.Stderr) }

// message finds the error message in what Nix wrote. Nix before 2.20 writes it after
// the first "error:", newer versions after the last; in both it is the one with
// text after the colon.
func message(stderr string) string {
	last := ""
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	for i, line := range lines {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "error:"); ok {
			text = strings.TrimSpace(text)
			// Some messages of NixOS begin with a line break.
			if more := indented(lines[i+1:]); text != "" || len(more) > 0 {
				last = strings.TrimSpace(strings.Join(append([]string{text}, more...), "\n"))
			}
		}
	}
	for i := len(lines) - 1; last == "" && i >= 0; i-- {
		if line := strings.TrimSpace(lines[i]); !strings.HasPrefix(line, "(use '--show-trace'") && line != "error:" {
			last = line
		}
	}
	return last
}

// A Step is one step of a trace.
type Step struct {
	Text      string // such as: while evaluating the option `time.timeZone':
	File      string // "" if the position is unknown
	Line, Col int
}

// stepPlace matches "at network.nix:3:5:" in a trace, and not «string»:1:1, which is
// not a file.
var stepPlace = ondemand.Regexp(`^\s*at (/?[^«<].*):(\d+):(\d+):?$`)

// Trace returns the trace in standard error, innermost step first. The first step is
// the position of the error itself, and has no text.
func (e *ExitError) Trace() []Step {
	steps := []Step{{}}
	outermostFirst := false
	for line := range strings.Lines(e.Stderr) {
		line = strings.TrimRight(line, "\n")
		text := strings.TrimSpace(line)
		switch last := &steps[len(steps)-1]; {
		case strings.HasPrefix(text, "…"):
			steps = append(steps, Step{Text: strings.TrimSpace(strings.TrimPrefix(text, "…"))})
		case strings.HasPrefix(text, "error:") && len(steps) > 1:
			outermostFirst = true
			steps = append(steps, Step{})
		default:
			if m := stepPlace().FindStringSubmatch(line); m != nil && last.File == "" {
				last.File = m[1]
				last.Line, _ = strconv.Atoi(m[2])
				last.Col, _ = strconv.Atoi(m[3])
			}
		}
	}
	if outermostFirst {
		slices.Reverse(steps)
	}
	return steps
}

// indented returns the lines that continue a message, without Nix's indentation:
// those before a position, a step of a trace or the end of the error. A message may
// have empty lines.
func indented(lines []string) []string {
	var out []string
	for _, line := range lines {
		text := strings.TrimSpace(line)
		if stepPlace().MatchString(line) || strings.HasPrefix(text, "at «") || strings.HasPrefix(text, "…") || strings.HasPrefix(text, "error:") || text != "" && line[0] != ' ' {
			break
		}
		out = append(out, strings.TrimRight(strings.TrimPrefix(line, indentation), " "))
	}
	return out
}

// indentation is what Nix writes before the further lines of a message.
const indentation = "       "

// command returns a command in a process group of its own. When the context ends,
// the group gets SIGTERM, and the command SIGKILL five seconds later.
func (n *Nix) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), n.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// maxOutput is how much a program may print that is read whole, in bytes.
const maxOutput = 1 << 30

// tooMuch ends the program that prints more, by failing its write.
func tooMuch() error { return errors.New("too much output") }

// output runs a command and returns its standard output. log, if not nil, gets the
// lines of standard error.
func (n *Nix) output(ctx context.Context, stdin io.Reader, log func(line string), name string, args ...string) ([]byte, error) {
	cmd := n.command(ctx, name, args...)
	stdout := &bounded.Head{Limit: maxOutput, Full: tooMuch}
	stderr := &tail{limit: 1 << 20, line: log}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, stdout, stderr
	err := cmd.Run()
	stderr.flush()
	if stdout.Exceeded() {
		return nil, fmt.Errorf("%s: it prints more than %d bytes", name, stdout.Limit)
	}
	if err == nil {
		return stdout.Bytes(), nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return nil, fmt.Errorf("%s: %w", name, cause)
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, &ExitError{
			Command: strings.Join(append([]string{name}, flags(args)...), " "),
			Status:  exit.ExitCode(),
			Stderr:  stderr.String(),
		}
	}
	return nil, fmt.Errorf("run %s: %v", name, err)
}

// flags returns the arguments of a command that errors show: the first, if it is an
// option.
func flags(args []string) []string {
	if len(args) > 0 && strings.HasPrefix(args[0], "-") {
		return args[:1]
	}
	return nil
}

// A tail keeps the beginning and the end of what is written to it, and calls line
// for each line.
type tail struct {
	limit int // bytes to keep: half of it from the beginning, half from the end
	line  func(string)
	head  []byte
	kept  []byte
	cut   bool   // text between head and kept is dropped
	part  []byte // the incomplete last line
}

func (t *tail) Write(p []byte) (int, error) {
	n := min(len(p), max(0, t.limit/2-len(t.head)))
	t.head = append(t.head, p[:n]...)
	t.kept = append(t.kept, p[n:]...)
	if over := len(t.kept) - t.limit/2; over > 0 {
		t.kept = t.kept[over:]
		t.cut = true
	}
	if t.line != nil {
		t.lines(p)
	}
	return len(p), nil
}

// maxLine is how many bytes of a line are handed on.
const maxLine = 64 << 10

// lines calls line for each line that is whole now.
func (t *tail) lines(p []byte) {
	for len(p) > 0 {
		line, rest, whole := bytes.Cut(p, []byte{'\n'})
		t.part = append(t.part, line[:min(len(line), maxLine-len(t.part))]...)
		if whole {
			t.line(strings.TrimRight(string(t.part), "\r"))
			t.part = t.part[:0]
		}
		p = rest
	}
}

// flush calls line for an incomplete last line.
func (t *tail) flush() {
	if t.line != nil && len(t.part) > 0 {
		t.line(string(t.part))
		t.part = nil
	}
}

func (t *tail) String() string {
	if t.cut {
		return string(t.head) + "\n…\n" + string(t.kept)
	}
	return string(t.head) + string(t.kept)
}
