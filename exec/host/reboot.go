package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"muster/compile/store"
)

// BootID returns the ID of the host's boot and the system it booted.
func (h *Host) BootID(ctx context.Context) (id string, booted store.Path, err error) {
	out, err := h.ask(ctx, bootIDScript)
	if err != nil {
		return "", "", err
	}
	id, system, _ := strings.Cut(lastLine(out), " ")
	if id == "" {
		return "", "", fmt.Errorf("read the boot ID: unexpected answer %q", lastLine(out))
	}
	return clip(id, maxWord), store.Path(system), nil
}

// Reboot has the host restart, and returns before it does.
func (h *Host) Reboot(ctx context.Context) error {
	out, err := h.ask(ctx, rebootScript)
	if err != nil {
		return err
	}
	if answer := lastLine(out); answer != "ok" {
		return errors.New(cmp.Or(answer, "no answer"))
	}
	return nil
}
