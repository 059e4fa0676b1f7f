package syntax

import "fmt"

// A Pos is a place in a text: file, line and column, both counted from 1,
// the column in bytes, as Nix counts. The zero Pos is no place. Trees that
// muster generates carry the place in the inventory a node came from, so that
// an evaluation error can say hosts.cue:12:9.
type Pos struct {
	file *string
	Line int32
	Col  int32
}

// NewPos returns the place line:col of *file. The pointer is kept, so that the
// positions of one file share one name.
func NewPos(file *string, line, col int) Pos {
	return Pos{file: file, Line: int32(line), Col: int32(col)}
}

// IsValid reports whether p is a place at all.
func (p Pos) IsValid() bool { return p.Line > 0 }

// File returns the name of the file, "" where there is none.
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
