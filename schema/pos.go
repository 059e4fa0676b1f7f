package schema

import "fmt"

// A Pos is a position in one of the user's files. Line and column count from 1,
// the column in bytes. The zero Pos stands for no position: that of a default.
type Pos struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
}

// IsValid reports whether p is a position in a file.
func (p Pos) IsValid() bool { return p.Line > 0 }

// String returns file:line:col, or "-" for the zero Pos.
func (p Pos) String() string {
	if !p.IsValid() {
		return "-"
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Col)
}
