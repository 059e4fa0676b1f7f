package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const sumsName = "SHA256SUMS"

// formatSums writes the checksums of files by name as sha256sum does.
func formatSums(sums map[string]string) []byte {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s  %s\n", sums[name], name)
	}
	return []byte(b.String())
}

// parseSums reads what formatSums writes, and nothing else.
func parseSums(text []byte) (map[string]string, error) {
	listed := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(line, "  ")
		name, ended := strings.CutSuffix(name, "\n")
		raw, err := hex.DecodeString(sum)
		if !ok || !ended || err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != sum ||
			!filepath.IsLocal(name) || filepath.Clean(name) != name || listed[name] != "" {
			return nil, damaged("%s: want a checksum and a name, got %.200q", sumsName, line)
		}
		listed[name] = sum
	}
	return listed, nil
}

// fileSum is the SHA-256 of a file in base 16, and its size.
func fileSum(name string) (string, int64, error) {
	f, err := os.Open(name)
	if err != nil {
		return "", 0, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
