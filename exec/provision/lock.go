package provision

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// waitsForLock is what the program prints when another one has its state.
const waitsForLock = "Acquiring state lock"

// A lockWatch reads what a command of the program prints, and tells when it waits for
// another one. All else is discarded.
type lockWatch struct {
	program string
	out     io.Writer
	told    bool
}

func (w *lockWatch) Write(p []byte) (int, error) {
	if !w.told && bytes.Contains(p, []byte(waitsForLock)) {
		w.told = true
		fmt.Fprintf(w.out, "note: another %s works on the same state: waiting for its lock, %s at most\n", w.program, lockTimeout)
	}
	return len(p), nil
}

// IsStale reports whether an error says that the state is no longer the one that a plan was
// made for.
func IsStale(err error) bool {
	e := (*Error)(nil)
	return errors.As(err, &e) && strings.Contains(e.Stderr, "Saved plan is stale")
}
