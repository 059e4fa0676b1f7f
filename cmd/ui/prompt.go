package ui

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// A Prompt reads lines from a user. On a terminal they can be edited, earlier lines come
// back with the arrow keys, and the tab key completes. Anywhere else, lines are read as
// they are, and no prompt is printed.
type Prompt struct {
	in       io.Reader
	file     *os.File // the terminal
	terminal *term.Terminal
}

// maxLine is how many bytes a line may have.
const maxLine = 1 << 20

// NewPrompt makes a Prompt. Complete returns what takes the place of the text in front
// of the cursor when the user presses tab; ok is false if it knows nothing.
func NewPrompt(in io.Reader, out io.Writer, complete func(before string) (completed string, ok bool)) *Prompt {
	f, ok := in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &Prompt{in: in}
	}
	p := &Prompt{file: f, terminal: term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")}
	p.terminal.AutoCompleteCallback = func(line string, cursor int, key rune) (string, int, bool) {
		if key != '\t' {
			return "", 0, false
		}
		completed, ok := complete(line[:cursor])
		return completed + line[cursor:], len(completed), ok
	}
	return p
}

// IsTerminal reports whether a user is at the other end.
func (p *Prompt) IsTerminal() bool { return p.terminal != nil }

// Line reads a line. At the end, and at Ctrl-C and Ctrl-D on a terminal, the error is
// [io.EOF].
func (p *Prompt) Line(prompt string) (string, error) {
	if p.terminal == nil {
		return p.plainLine()
	}
	// Only while a line is read: what is printed in between needs the terminal as it was.
	before, err := term.MakeRaw(int(p.file.Fd()))
	if err != nil {
		return "", err
	}
	defer term.Restore(int(p.file.Fd()), before)
	if width, height, err := term.GetSize(int(p.file.Fd())); err == nil && width > 0 {
		p.terminal.SetSize(width, height)
	}
	p.terminal.SetPrompt(prompt)
	line, err := p.terminal.ReadLine()
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// plainLine reads a line byte by byte, so that nothing behind it is taken.
func (p *Prompt) plainLine() (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := p.in.Read(b)
		switch {
		case n == 1 && b[0] == '\n':
			return string(line), nil
		case n == 1:
			line = append(line, b[0])
		}
		if err == io.EOF && len(line) > 0 {
			return string(line), nil
		}
		if err != nil {
			return "", err
		}
		if len(line) > maxLine {
			return "", fmt.Errorf("a line is longer than %d bytes", maxLine)
		}
	}
}
