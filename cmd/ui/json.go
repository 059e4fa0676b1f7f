package ui

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf16"

	"muster/exec/human"
)

// JSON prints a value as indented JSON, with <, > and & as they are.
func JSON(w io.Writer, v any) error {
	enc := json.NewEncoder(jsonWriter{w})
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// JSONList prints a list as [JSON] does, element by element: the text of a long list is never
// there as a whole.
func JSONList[T any](w io.Writer, list []T) error {
	if len(list) == 0 {
		return JSON(w, list)
	}
	b := bufio.NewWriter(jsonWriter{w})
	begin := "[\n  "
	for _, v := range list {
		var text bytes.Buffer
		enc := json.NewEncoder(&text)
		enc.SetEscapeHTML(false)
		enc.SetIndent("  ", "  ")
		if err := enc.Encode(v); err != nil {
			return err
		}
		b.WriteString(begin)
		b.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n")))
		begin = ",\n  "
	}
	b.WriteString("\n]\n")
	return b.Flush()
}

// A jsonWriter writes JSON with escapes for the characters that [human.Plain] would change: the values are the same, and a
// terminal shows what is in them. Each Write is whole values.
type jsonWriter struct{ w io.Writer }

func (j jsonWriter) Write(b []byte) (int, error) {
	var text strings.Builder
	for _, r := range string(b) {
		switch {
		case r < ' ' || !unicode.IsControl(r) && !human.Hidden(r): // the encoder has escaped what is below a space
			text.WriteRune(r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&text, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&text, `\u%04x`, r)
		}
	}
	if _, err := io.WriteString(j.w, text.String()); err != nil {
		return 0, err
	}
	return len(b), nil
}
