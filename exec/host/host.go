package host

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"muster/exec/bounded"
	"muster/exec/human"
)

// A Machine is a connected machine that runs commands as root.
type Machine interface {
	// Run runs a command to its end. The words of the command arrive as they are.
	Run(ctx context.Context, argv []string, stdout, stderr io.Writer) error
}

// A Host asks one machine questions and tells it things.
type Host struct {
	machine Machine
	answer  time.Duration // the limit for an answer
}

// New returns the host behind a machine. An answer that takes longer than the
// limit is an error.
func New(m Machine, answer time.Duration) *Host { return &Host{machine: m, answer: answer} }

// How much a host may answer to one question, in bytes.
const (
	maxAnswer = 1 << 20
	// maxComparison is the same for a comparison: the requisites of a system have
	// about 100 bytes a path, and large systems have 10,000 paths.
	maxComparison = 4 << 20
)

// ask runs a script within the limit for answers and returns what it prints.
func (h *Host) ask(ctx context.Context, s script, args ...string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.answer, fmt.Errorf("no answer within %v", h.answer))
	defer cancel()
	return h.run(ctx, s, args...)
}

// run runs a script and returns what it prints. ctx is the only limit on its time.
func (h *Host) run(ctx context.Context, s script, args ...string) (string, error) {
	limit := maxAnswer
	if s == compareScript {
		limit = maxComparison
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var tooLong error
	out := &bounded.Head{Limit: limit, Full: func() error {
		tooLong = fmt.Errorf("%s: the answer is longer than %d MB", s, limit>>20)
		stop(tooLong)
		return nil
	}}
	err := h.machine.Run(ctx, s.argv(args...), out, nil)
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.String(), cmp.Or(tooLong, err)
}

// Reachable reports whether the machine still answers within a time.
func (h *Host) Reachable(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return h.machine.Run(ctx, []string{"true"}, nil, nil) == nil
}

// lastLine is the last line of a text: the login shell may have printed others.
func lastLine(s string) string {
	s = strings.TrimRight(s, "\n")
	return human.Clip(s[strings.LastIndexByte(s, '\n')+1:], maxLine)
}

const (
	maxLine = 4096 // bytes of a line that is one answer
	maxWord = 256  // bytes of a name, a version, a device
	// maxRecord is a line of the records that the guard writes: four store paths and
	// who it was.
	maxRecord = 2048
)

// withoutComments removes lines that are only a comment, and empty ones.
func withoutComments(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if word := strings.TrimSpace(line); word != "" && !strings.HasPrefix(word, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
