// Package human writes quantities and foreign text for people.
package human

import (
	"fmt"
	"strings"
	"time"
)

// Bytes writes a number of bytes in units of 1000, such as 61.6 kB.
func Bytes(n int64) string {
	switch {
	case n < 0:
		return "-" + Bytes(-n)
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 999_950:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 999_950_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n < 999_950_000_000:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	}
	return fmt.Sprintf("%.1f TB", float64(n)/1e12)
}

// Duration writes a duration as people say it: 0.4 s below a minute, then whole
// seconds without the parts that are zero, such as 1m50s, 2m or 1h5m.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Duration(-d)
	case d < 59_950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	d = d.Round(time.Second)
	h, m, s := int(d.Hours()), int(d.Minutes())%60, int(d.Seconds())%60
	text := ""
	if h > 0 {
		text += fmt.Sprintf("%dh", h)
	}
	if m > 0 {
		text += fmt.Sprintf("%dm", m)
	}
	if s > 0 {
		text += fmt.Sprintf("%ds", s)
	}
	return text
}

// Count writes a number of things, such as 1 host or 3 hosts.
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Clip shortens a text to its first so many bytes, of which none is a part of a character, and
// an ellipsis.
func Clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
