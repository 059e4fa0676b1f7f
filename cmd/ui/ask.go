package ui

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/term"
)

// ErrDeclined says that the user was asked and did not answer yes.
var ErrDeclined = errors.New("declined")

// Ask asks the user a question. Any answer but yes is no.
func Ask(ctx context.Context, in io.Reader, out io.Writer, question string) error {
	return AskFor(ctx, in, out, question, "y", "yes")
}

// AskFor asks the user a question. Any answer but the given ones is no.
func AskFor(ctx context.Context, in io.Reader, out io.Writer, question string, yes ...string) error {
	io.WriteString(out, question)
	answer := make(chan string, 1)
	go func() {
		answer <- strings.ToLower(strings.TrimSpace(readLine(in)))
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case a := <-answer:
		if slices.Contains(yes, a) {
			return nil
		}
		return ErrDeclined
	}
}

// CanAnswer reports whether a user can answer on in.
func CanAnswer(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readLine reads one line and nothing behind it, which answers the next question.
func readLine(r io.Reader) string {
	var line strings.Builder
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] != '\n' {
			line.WriteByte(b[0])
		}
		if err != nil || n == 1 && b[0] == '\n' {
			return line.String()
		}
	}
}

// CanAsk reports whether this process has a terminal, whatever standard input is.
func CanAsk() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return false
	}
	tty.Close()
	return true
}

// Password asks for a password on the terminal, whatever standard input is.
func Password(prompt string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer tty.Close()
	if t := onScreen.Load(); t != nil {
		t.setAsked(true)
		defer t.setAsked(false)
	}
	fmt.Fprint(tty, prompt)
	defer fmt.Fprintln(tty)
	return term.ReadPassword(int(tty.Fd()))
}
