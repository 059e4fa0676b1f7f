package syntax

import "fmt"

// A Pos is a position in a text: file, line and column. As in Nix, line and column
// count from 1, the column in bytes. The zero Pos stands for no position. A node
// that muster generates has the position in the inventory that it comes from, so
// that an evaluation error can say hosts.cue:12:9.
type Pos struct {
	file *string
	Line int32
	Col  int32
}

// NewPos returns the position line:col of *file. It keeps the pointer, so that the
// positions of one file share the name.
func NewPos(file *string, line, col int) Pos {
	return Pos{file: file, Line: int32(line), Col: int32(col)}
}

// IsValid reports whether p is a position in a text.
func (p Pos) IsValid() bool { return p.Line > 0 }

// File returns the name of the file, or "".
func (p Pos) File() string {
	if p.file == nil {
		return ""
	}
	return *p.file
}

// String returns file:line:col, or "-" for the zero Pos.
func (p Pos) String() string {
	if !p.IsValid() {
		return "-"
	}
	return fmt.Sprintf("%s:%d:%d", p.File(), p.Line, p.Col)
}
