package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A checksum is the SHA-256 of a file.
type checksum [sha256.Size]byte

// formatSums writes the checksums of files by name as sha256sum does.
func formatSums(sums map[string]checksum) []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%x  %s\n", sums[name], name)
	}
	return []byte(b.String())
}

// parseSums reads what formatSums writes, and nothing else.
func parseSums(text []byte) (map[string]checksum, error) {
	listed := make(map[string]checksum)
	for line := range bytes.Lines(text) {
		text := string(line)
		hexSum, name, ok := strings.Cut(text, "  ")
		name, ended := strings.CutSuffix(name, "\n")
		raw, err := hex.DecodeString(hexSum)
		if !ok || !ended || err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != hexSum {
			return nil, damaged("%s: want a checksum and a name, got %.200q", sumsName, text)
		}
		if err := checkMember(name); err != nil || name == sumsName {
			return nil, damaged("%s: %.200q is not a file of an archive", sumsName, name)
		}
		if _, twice := listed[name]; twice {
			return nil, damaged("%s: duplicate file %q", sumsName, name)
		}
		if len(listed) == maxMembers {
			return nil, damaged("%s: more than %d files", sumsName, maxMembers)
		}
		listed[strings.Clone(name)] = checksum(raw)
	}
	return listed, nil
}

// sumOf reads a file to its end.
func sumOf(r io.Reader) (checksum, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return checksum(h.Sum(nil)), n, err
}
