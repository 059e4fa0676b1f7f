package ui

import (
	"io"

	"muster/exec"
)

// A Reporter shows a run while it goes, and its outcomes at the end.
type Reporter interface {
	// Doing shows what is being done before the run.
	Doing(format string, args ...any)
	// Note shows something about the run as a whole.
	Note(format string, args ...any)
	// Begin says what the run is that the next events are about.
	Begin(r Run)
	// Event shows an event. It is an [exec.Sink].
	Event(e exec.Event)
	// Interrupted says what goes on when the user has interrupted the run.
	Interrupted()
	// Asking leaves the terminal to a question until ask returns.
	Asking(ask func() error) error
	// Around returns a writer for what others print on errs while the run is shown.
	Around(errs io.Writer) io.Writer
	// End shows how the run ended.
	End(outcomes []exec.Outcome)
	// Close stops drawing. It may be called more than once.
	Close()
}

// A Run is what is known of a run when it begins.
type Run struct {
	ID     string
	Action exec.Action
	Hosts  []string
	// Recorded says that the run has a journal: it can be resumed and looked up.
	Recorded bool
	Past     bool // it is looked up, and may not be the last one
}

// A Hint says what the user can do about an error on a host, "" if there is
// nothing to say.
type Hint func(host string, err error) string
