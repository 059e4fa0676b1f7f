package units

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// A mount is a line of /etc/fstab.
type mount struct{ device, kind, options string }

func (m mount) has(option string) bool { return slices.Contains(strings.Split(m.options, ","), option) }

// parseFstab returns the file systems by mount point, and the swap devices.
func parseFstab(text string) (mounts map[string]mount, swaps map[string]mount) {
	mounts, swaps = map[string]mount{}, map[string]mount{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if strings.Contains(line, "#") || len(words) < 3 {
			continue
		}
		m := mount{device: words[0], kind: words[2]}
		if len(words) > 3 {
			m.options = words[3]
		}
		if m.kind == "swap" {
			swaps[m.device] = m
		} else {
			mounts[words[1]] = m
		}
	}
	return mounts, swaps
}

// unitOfPath is the unit of a path: -.mount for /, mnt-data.mount for /mnt/data.
func unitOfPath(p, ext string) string {
	p = strings.Trim(path.Clean(p), "/")
	if p == "" || p == "." {
		return "-" + ext
	}
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		switch {
		case c == '/':
			b.WriteByte('-')
		case c == '.' && i > 0, c == '_', c == ':', c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + ext
}
