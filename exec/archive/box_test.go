package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"muster/compile/store"
	"muster/exec/lab/storelab"
)

// A box is an archive in memory, whose members a test changes before it mends the checksums around them.
type box struct {
	t       testing.TB
	members []*boxMember
	raw     []func([]byte) []byte // changes to the finished tar file, before its checksum
	after   []func([]byte) []byte // and after
}

type boxMember struct {
	name   string
	body   []byte
	header func(h *[tarBlock]byte) // changes the tar header; may be nil
	sum    bool                    // its checksum stays as it was
}

// smallArchive exports a path and what it refers to: few files, but directories, links, programs and references.
func smallArchive(t testing.TB, paths int) (from storelab.Store, top store.Path, name string) {
	from, all := storelab.Closure(t)
	src := source(t, from)
	closure, err := src.Closure(context.Background(), []store.Path{all})
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range closure {
		some, err := src.Closure(context.Background(), []store.Path{info.Path})
		if err != nil {
			t.Fatal(err)
		}
		if len(some) >= paths {
			top = info.Path
			break
		}
	}
	name = filepath.Join(t.TempDir(), "small.tar")
	m := Manifest{Hosts: []Host{{Name: "web1", System: top}}}
	if _, err := Export(context.Background(), src, m, name, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	return from, top, name
}

// unpack reads an archive that is whole.
func unpack(t testing.TB, name string) *box {
	t.Helper()
	c, err := openTar(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	a := &Archive{files: c}
	defer a.Close()
	b := &box{t: t}
	for _, name := range c.names() {
		body, err := a.readAll(name)
		if err != nil {
			t.Fatal(err)
		}
		b.members = append(b.members, &boxMember{name: name, body: body})
	}
	return b
}

func (b *box) clone() *box {
	c := &box{t: b.t}
	for _, m := range b.members {
		c.members = append(c.members, &boxMember{name: m.name, body: slices.Clone(m.body)})
	}
	return c
}

func (b *box) member(name string) *boxMember {
	for _, m := range b.members {
		if m.name == name {
			return m
		}
	}
	b.t.Fatalf("no member %q", name)
	return nil
}

func (b *box) remove(name string) {
	b.members = slices.DeleteFunc(b.members, func(m *boxMember) bool { return m.name == name })
}

// infos are the narinfos, in the order of the archive: references first.
func (b *box) infos() []*boxMember {
	var list []*boxMember
	for _, m := range b.members {
		if isNarInfo(m.name) {
			list = append(list, m)
		}
	}
	return list
}

// field returns the value of a line of a narinfo.
func (m *boxMember) field(key string) string {
	for line := range strings.Lines(string(m.body)) {
		if value, ok := strings.CutPrefix(line, key+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// set replaces the value of a line of a narinfo, or adds it.
func (m *boxMember) set(key, value string) {
	line := regexp.MustCompile(`(?m)^` + key + `:.*\n`)
	with := []byte(key + ": " + value + "\n")
	if line.Match(m.body) {
		m.body = line.ReplaceAllLiteral(m.body, with)
	} else {
		m.body = append(m.body, with...)
	}
}

// drop removes the lines of a narinfo that begin with a text.
func (m *boxMember) drop(beginning string) {
	m.body = regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(beginning)+`.*\n`).ReplaceAllLiteral(m.body, nil)
}

// nar returns the archive that a narinfo is about.
func (b *box) nar(info *boxMember) []byte {
	z, err := zstd.NewReader(bytes.NewReader(b.member(info.field("URL")).body))
	if err != nil {
		b.t.Fatal(err)
	}
	defer z.Close()
	var nar bytes.Buffer
	if _, err := nar.ReadFrom(z); err != nil {
		b.t.Fatal(err)
	}
	return nar.Bytes()
}

// setNAR replaces the archive that a narinfo is about, and with mend also what the narinfo says of it.
func (b *box) setNAR(info *boxMember, nar []byte, mend bool) {
	var text bytes.Buffer
	z, err := zstd.NewWriter(&text)
	if err != nil {
		b.t.Fatal(err)
	}
	z.Write(nar)
	z.Close()
	b.setFile(info, text.Bytes())
	if mend {
		info.set("NarHash", "sha256:"+store.HashBytes(store.SHA256, nar).Base32())
		info.set("NarSize", strconv.Itoa(len(nar)))
	}
}

// setFile replaces the compressed archive that a narinfo is about, and what is said of that.
func (b *box) setFile(info *boxMember, file []byte) {
	m := b.member(info.field("URL"))
	h := store.HashBytes(store.SHA256, file)
	m.body, m.name = file, narName(h)
	info.set("URL", m.name)
	info.set("FileHash", "sha256:"+h.Base32())
	info.set("FileSize", strconv.Itoa(len(file)))
}

// mend makes the checksums right. It leaves out members with a checksum of their own.
func (b *box) mend() {
	sums := make(map[string]checksum)
	for _, m := range b.members {
		if m.name != sumsName && checkMember(m.name) == nil {
			sums[m.name] = sha256.Sum256(m.body)
		}
	}
	for _, m := range b.members {
		if m.name == sumsName && !m.sum {
			m.body = formatSums(sums)
		}
	}
}

// tar is the archive as a file, with a checksum that is right.
func (b *box) tar() []byte {
	var text bytes.Buffer
	for _, m := range b.members {
		h, err := tarHeader("README", int64(len(m.body)))
		if err != nil {
			b.t.Fatal(err)
		}
		h = rename(h, m.name)
		if m.header != nil {
			m.header(&h)
			h = rename(h, "") // only the checksum
		}
		text.Write(h[:])
		text.Write(m.body)
		text.Write(make([]byte, -len(m.body)&(tarBlock-1)))
	}
	text.Write(make([]byte, tarEnd))
	all := text.Bytes()
	for _, change := range b.raw {
		all = change(all)
	}
	all = fmt.Appendf(all, "%s%x\n", trailer, sha256.Sum256(all))
	for _, change := range b.after {
		all = change(all)
	}
	return all
}

// rename sets the name in a tar header, unless it is empty, and the header's checksum.
func rename(h [tarBlock]byte, name string) [tarBlock]byte {
	if name != "" {
		clear(h[:100])
		copy(h[:100], name)
	}
	copy(h[148:156], "        ")
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return h
}

// write writes the archive as a file or a directory, and returns its name.
func (b *box) write(dir string, asDir bool) string {
	name := filepath.Join(dir, "archive")
	os.RemoveAll(name)
	if !asDir {
		if err := os.WriteFile(name, b.tar(), 0o644); err != nil {
			b.t.Fatal(err)
		}
		return name
	}
	if err := os.MkdirAll(filepath.Join(name, "nar"), 0o755); err != nil {
		b.t.Fatal(err)
	}
	for _, m := range b.members {
		if checkMember(m.name) != nil { // what else a directory holds is not looked at
			continue
		}
		if err := os.WriteFile(filepath.Join(name, m.name), m.body, 0o644); err != nil {
			b.t.Fatal(err)
		}
	}
	return name
}
