package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/compile/store"
	"muster/exec/bounded"
)

// ErrDamaged says that paths of a host's store are not what they were made as.
var ErrDamaged = errors.New("the host's store is damaged")

// Verify reads store paths and compares them with what they were registered as. The
// store is that below a root directory; "" for the machine's own. ctx
// is the only limit: this reads files. The error is an [ErrDamaged] where paths are
// damaged.
func (h *Host) Verify(ctx context.Context, root string, paths []store.Path) error {
	for chunk := range slices.Chunk(paths, pathsPerQuestion) {
		said, err := h.run(ctx, verifyScript, append([]string{root}, texts(chunk)...)...)
		switch {
		case err == nil:
			continue
		case ctx.Err() != nil:
			err = context.Cause(ctx)
		case said != "":
			return fmt.Errorf("%w: %s", ErrDamaged, strings.Join(strings.Fields(said), " "))
		}
		return fmt.Errorf("verify the paths that the host had: %w", err)
	}
	return nil
}

// pathsPerQuestion is how many paths one question is about: a command line has an
// end.
const pathsPerQuestion = 1000

func texts(paths []store.Path) []string {
	all := make([]string, len(paths))
	for i, p := range paths {
		all[i] = string(p)
	}
	return all
}

// Collect removes generations of the system profile and collects garbage. It
// returns what Nix says of it. ctx is the only limit.
func (h *Host) Collect(ctx context.Context, generations []int) (freed string, err error) {
	args := []string{Profile}
	for _, n := range generations {
		args = append(args, strconv.Itoa(n))
	}
	out, err := h.run(ctx, collectScript, args...)
	if err != nil {
		return "", fmt.Errorf("collect garbage: %w", err)
	}
	return lastLine(out), nil
}

// UnitState returns the ActiveState of a unit (systemd.unit(5)): active,
// activating, failed and so on.
func (h *Host) UnitState(ctx context.Context, unit string) (string, error) {
	out, err := h.ask(ctx, unitScript, unit)
	return lastLine(out), err
}

// Command runs a command and returns its error with the last line that it
// printed, where that is not in the error already.
func (h *Host) Command(ctx context.Context, argv []string) error {
	said := &bounded.Head{Limit: maxAnswer}
	err := h.machine.Run(ctx, argv, said, said)
	if line := lastLine(said.String()); err != nil && line != "" && !bytes.Contains([]byte(err.Error()), []byte(line)) {
		err = fmt.Errorf("%w: %s", err, line)
	}
	return err
}
