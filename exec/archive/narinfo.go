package archive

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"muster/compile/store"
	"muster/exec/nixserve"
)

// A narInfo describes a path in a binary cache: what the database knows of it, and the file that holds its archive. It is
// lines of "Key: value" (Nix manual, "Binary cache"; src/libstore/nar-info.cc).
type narInfo struct {
	nixserve.PathInfo
	URL      string // relative to the cache
	FileHash store.Hash
	FileSize int64
}

const zstdCompression = "zstd"

// narInfoName is the name of the member with a path's narInfo.
func narInfoName(p store.Path) string { return p.Digest() + narInfoExt }

const narInfoExt = ".narinfo"

func isNarInfo(name string) bool { return strings.HasSuffix(name, narInfoExt) }

// narName is the name of the member with this hash.
func narName(file store.Hash) string { return narDir + file.Base32() + ".nar.zst" }

const narDir = "nar/"

func isNAR(name string) bool { return strings.HasPrefix(name, narDir) }

// of is the narInfo of a path whose archive is in the same file as n's.
func (n *narInfo) of(info nixserve.PathInfo) *narInfo {
	return &narInfo{PathInfo: info, URL: n.URL, FileHash: n.FileHash, FileSize: n.FileSize}
}

func (n *narInfo) text() []byte {
	var b strings.Builder
	line := func(key, value string) { b.WriteString(key + ": " + value + "\n") }
	line("StorePath", string(n.Path))
	line("URL", n.URL)
	line("Compression", zstdCompression)
	line("FileHash", "sha256:"+n.FileHash.Base32())
	line("FileSize", strconv.FormatInt(n.FileSize, 10))
	line("NarHash", "sha256:"+n.NARHash.Base32())
	line("NarSize", strconv.FormatInt(n.NARSize, 10))
	var refs []string
	for _, r := range n.References {
		refs = append(refs, r.Base())
	}
	line("References", strings.Join(refs, " "))
	if n.Deriver != "" {
		line("Deriver", n.Deriver.Base())
	}
	for _, sig := range n.Signatures {
		line("Sig", sig)
	}
	if n.CA != "" {
		line("CA", n.CA)
	}
	return []byte(b.String())
}

// parseNarInfo reads what text writes. It refuses other compressions than zstd, which other programs use.
func parseNarInfo(text []byte) (*narInfo, error) {
	n := &narInfo{}
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			if key, ok = strings.CutSuffix(strings.TrimSuffix(line, "\n"), ":"); !ok {
				return nil, fmt.Errorf("parse narinfo: want \"Key: value\", got %.80q", line)
			}
		}
		if seen[key] && key != "Sig" {
			return nil, fmt.Errorf("parse narinfo: duplicate key %s", key)
		}
		seen[key] = true
		if err := n.set(key, value); err != nil {
			return nil, fmt.Errorf("parse narinfo: %s: %w", key, err)
		}
	}
	for _, key := range []string{"StorePath", "URL", "Compression", "FileHash", "FileSize", "NarHash", "NarSize", "References"} {
		if !seen[key] {
			return nil, fmt.Errorf("parse narinfo: %s is missing", key)
		}
	}
	return n, nil
}

func (n *narInfo) set(key, value string) (err error) {
	switch key {
	case "StorePath":
		n.Path, err = store.ParsePath(value)
	case "URL":
		n.URL = value
		if path.IsAbs(value) || path.Clean(value) != value || strings.HasPrefix(value, "..") {
			err = fmt.Errorf("%q leads out of the cache", value)
		}
	case "Compression":
		if value != zstdCompression {
			err = fmt.Errorf("want %s, got %q", zstdCompression, value)
		}
	case "FileHash":
		n.FileHash, err = store.ParseHash(value, store.SHA256)
	case "FileSize":
		n.FileSize, err = parseBytes(value)
	case "NarHash":
		n.NARHash, err = store.ParseHash(value, store.SHA256)
	case "NarSize":
		n.NARSize, err = parseBytes(value)
	case "References":
		for _, base := range strings.Fields(value) {
			r, err := store.ParsePath(store.Dir + "/" + base)
			if err != nil {
				return err
			}
			n.References = append(n.References, r)
		}
	case "Deriver":
		n.Deriver, err = store.ParsePath(store.Dir + "/" + value)
	case "Sig":
		n.Signatures = append(n.Signatures, value)
	case "CA":
		n.CA = value
	default:
		err = errors.New("unknown key")
	}
	return err
}

// check refuses what Export does not write, and text that reads as n but is not what text writes.
func (n *narInfo) check(name string, text []byte) error {
	if narInfoName(n.Path) != name {
		return fmt.Errorf("it describes %s", n.Path)
	}
	if want := narName(n.FileHash); n.URL != want {
		return fmt.Errorf("URL: want %s, got %q", want, n.URL)
	}
	if n.NARSize == 0 || n.FileSize == 0 {
		return fmt.Errorf("want sizes above 0, got NarSize %d and FileSize %d", n.NARSize, n.FileSize)
	}
	if sorted := slices.Sorted(slices.Values(n.References)); len(slices.Compact(sorted)) != len(n.References) {
		return errors.New("duplicate path in References")
	}
	if n.Deriver != "" && !n.Deriver.IsDerivation() {
		return fmt.Errorf("deriver %s is not a derivation", n.Deriver)
	}
	if n.CA != "" {
		if _, err := n.contentAddress(); err != nil {
			return err
		}
	}
	if !bytes.Equal(n.text(), text) {
		return errors.New("not written as muster export writes it")
	}
	return nil
}

// contentAddress parses the content address, which must be that of the path.
func (n *narInfo) contentAddress() (store.ContentAddress, error) {
	ca, err := store.ParseCA(n.CA)
	if err != nil {
		return ca, fmt.Errorf("CA: %w", err)
	}
	others := slices.DeleteFunc(slices.Clone(n.References), func(r store.Path) bool { return r == n.Path })
	want, err := ca.Path(n.Path.Name(), others, n.refersToItself())
	if err != nil {
		return ca, fmt.Errorf("CA: %w", err)
	}
	if want != n.Path {
		return ca, fmt.Errorf("CA: content of this address belongs in %s", want)
	}
	return ca, nil
}

func (n *narInfo) refersToItself() bool { return slices.Contains(n.References, n.Path) }

// intern replaces the references by equal ones that are known.
func (n *narInfo) intern(known map[store.Path]store.Path) {
	for i, r := range n.References {
		if k, ok := known[r]; ok {
			n.References[i] = k
		} else {
			known[r] = r
		}
	}
}

func parseBytes(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("want a number of bytes, got %q", s)
	}
	return n, nil
}
