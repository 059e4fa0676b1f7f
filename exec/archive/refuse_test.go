package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"muster/compile/store"
)

// narText is an archive made of tokens.
func narText(tokens ...string) []byte {
	var b bytes.Buffer
	for _, t := range tokens {
		var n [8]byte
		n[0], n[1] = byte(len(t)), byte(len(t)>>8)
		b.Write(n[:])
		b.WriteString(t)
		b.Write(make([]byte, -len(t)&7))
	}
	return b.Bytes()
}

func narDirectory(entries ...[]byte) []byte {
	return slices.Concat(narText("nix-archive-1", "(", "type", "directory"), slices.Concat(entries...), narText(")"))
}

func narEntry(name string) []byte {
	return narText("entry", "(", "name", name, "node", "(", "type", "regular", "contents", "x", ")", ")")
}

// Everything around the change is mended: the checksums of members, of the file, and with setNAR(…, true) the narinfo.
func TestWhatIsRefused(t *testing.T) {
	_, top, name := smallArchive(t, 6)
	whole := unpack(t, name)
	last := func(b *box) *boxMember { infos := b.infos(); return infos[len(infos)-1] }
	nar := func(text []byte) func(b *box) { return func(b *box) { b.setNAR(last(b), text, true) } }
	manifest := func(change func(m *Manifest)) func(b *box) {
		return func(b *box) {
			f := b.member(manifestName)
			var m Manifest
			err := json.Unmarshal(f.body, &m)
			if err == nil {
				change(&m)
				f.body, err = m.text()
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	replace := func(member, old, new string) func(b *box) {
		return func(b *box) {
			f := b.member(member)
			if !bytes.Contains(f.body, []byte(old)) {
				t.Fatalf("%s: no %q", member, old)
			}
			f.body = bytes.Replace(f.body, []byte(old), []byte(new), 1)
		}
	}
	info := func(key, value string) func(b *box) { return func(b *box) { last(b).set(key, value) } }
	header := func(change func(h *[tarBlock]byte)) func(b *box) {
		return func(b *box) { last(b).header = change }
	}
	tests := []struct {
		name   string
		change func(b *box)
		err    string
		file   bool // only of a file, not of a directory
	}{
		{name: "another NarHash", change: info("NarHash", "sha256:"+strings.Repeat("0", 52)), err: ".narinfo: its archive does not match NarHash"},
		{name: "NarSize 0", change: info("NarSize", "0"), err: "NarSize 0"},
		{name: "NarSize 2^63-1", change: info("NarSize", "9223372036854775807"), err: "NarSize 9223372036854775807 is out of range"},
		{name: "NarSize 2^63", change: info("NarSize", "9223372036854775808"), err: "NarSize: want a number of bytes"},
		{name: "NarSize too small", change: info("NarSize", "200"), err: "its archive has more than the 200 bytes of NarSize"},
		{name: "NarSize too large", change: info("NarSize", "9999999"), err: "bytes, NarSize says 9999999"},
		{name: "another FileSize", change: info("FileSize", "7"), err: ".narinfo says 7"},
		{name: "another FileHash", change: info("FileHash", "sha256:"+strings.Repeat("0", 52)), err: "URL: want nar/0000"},
		{name: "References emptied", change: info("References", ""), err: "is not needed by anything"},
		{name: "References emptied, all paths in the manifest", change: func(b *box) {
			info("References", "")(b)
			manifest(func(m *Manifest) {
				for _, i := range b.infos() {
					m.Paths = append(m.Paths, store.Path(i.field("StorePath")))
				}
			})(b)
		}, err: "References and the contents of " + string(top) + " differ about"},
		{name: "a reference too many", change: func(b *box) {
			l := last(b)
			for _, i := range b.infos() {
				if base := store.Path(i.field("StorePath")).Base(); !strings.Contains(l.field("References"), base) && i != l {
					l.set("References", l.field("References")+" "+base)
					return
				}
			}
		}, err: "differ about"},
		{name: "a reference twice", change: func(b *box) {
			l := last(b)
			l.set("References", l.field("References")+" "+strings.Fields(l.field("References"))[0])
		}, err: "duplicate path in References"},
		{name: "a reference elsewhere", change: func(b *box) {
			l := last(b)
			l.set("References", l.field("References")+" "+strings.Repeat("0", 32)+"-gone")
		}, err: "/nix/store/" + strings.Repeat("0", 32) + "-gone is missing"},
		{name: "another name", change: info("StorePath", string(top)+"x"), err: "is missing"},
		{name: "another digest", change: info("StorePath", "/nix/store/"+strings.Repeat("0", 32)+"-x"), err: "it describes /nix/store/0000"},
		{name: "a content address of another path", change: info("CA", "text:sha256:"+strings.Repeat("0", 52)), err: ".narinfo: CA: "},
		{name: "a content address of no kind", change: info("CA", "git:x"), err: "parse content address"},
		{name: "another codec", change: info("Compression", "xz"), err: "want zstd"},
		{name: "a deriver that is none", change: info("Deriver", strings.Repeat("0", 32)+"-x"), err: "is not a derivation"},
		{name: "fields in another order", change: func(b *box) {
			l := last(b)
			lines := slices.Collect(bytes.Lines(l.body))
			slices.Reverse(lines)
			l.body = bytes.Join(lines, nil)
		}, err: "not written as muster export writes it"},
		{name: "another text", change: func(b *box) { // a source: its path is the hash of its contents
			for _, m := range b.infos() {
				if m.field("CA") != "" {
					b.setNAR(m, narText("nix-archive-1", "(", "type", "regular", "contents", "another", ")"), true)
					return
				}
			}
			t.Fatal("no text")
		}, err: "its archive does not match CA"},

		{name: "a nar that is cut", change: func(b *box) { n := b.nar(last(b)); b.setNAR(last(b), n[:len(n)-8], true) }, err: "unexpected EOF"},
		{name: "a file that is cut", change: func(b *box) {
			f := b.member(last(b).field("URL"))
			b.setFile(last(b), f.body[:len(f.body)-3])
		}, err: "EOF"},
		{name: "a file with more behind", change: func(b *box) {
			f := b.member(last(b).field("URL"))
			b.setFile(last(b), append(f.body, "more"...))
		}, err: "magic number"},
		{name: "a file of another codec", change: func(b *box) { b.setFile(last(b), []byte("\xfd7zXZ\x00 something")) }, err: "magic number"},
		{name: "an empty file", change: func(b *box) { b.setFile(last(b), nil) }, err: "FileSize 0"},
		{name: "a window of a gigabyte", change: func(b *box) {
			b.setFile(last(b), []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0x00, 0x00})
		}, err: "window size exceeded"},
		{name: "a nar with more behind", change: func(b *box) { b.setNAR(last(b), append(b.nar(last(b)), "12345678"...), true) }, err: "bytes follow its end"},
		{name: "..", change: nar(narDirectory(narEntry(".."))), err: `bad name ".."`},
		{name: "a/b", change: nar(narDirectory(narEntry("a/b"))), err: `bad name "a/b"`},
		{name: "NUL", change: nar(narDirectory(narEntry("a\x00b"))), err: "bad name"},
		{name: "wrong order", change: nar(narDirectory(narEntry("b"), narEntry("a"))), err: "out of order"},
		{name: "twice the same", change: nar(narDirectory(narEntry("a"), narEntry("a"))), err: "duplicate entry"},
		{name: "another type", change: nar(narText("nix-archive-1", "(", "type", "device", ")")), err: `unknown type "device"`},
		{name: "longer than a path may be", change: nar(slices.Concat(narText("nix-archive-1"), bytes.Repeat(narText("(", "type", "directory", "entry", "(", "name", strings.Repeat("d", 253), "node"), 16), narText("(", "type", "directory"))), err: "bytes on disk, want at most 4095"},

		{name: "a host twice", change: manifest(func(m *Manifest) { m.Hosts = append(m.Hosts, m.Hosts[0]) }), err: "duplicate host web1"},
		{name: "a host with an escape", change: replace(manifestName, "web1", `web1\u001b]0;title\u0007`), err: `"web1\x1b]0;title\a" is not the name of a host`},
		{name: "a host that turns text round", change: replace(manifestName, "web1", "web\u202e1"), err: `"web\u202e1" is not`},
		{name: "a system elsewhere", change: replace(manifestName, string(top), "/etc"), err: `parse store path "/etc"`},
		{name: "a system that leads out", change: replace(manifestName, string(top), string(top)+"/../../etc"), err: "is inside a store path"},
		{name: "another system", change: replace(manifestName, top.Digest(), strings.Repeat("0", 32)), err: "is missing"},
		{name: "a drv that is none", change: replace(manifestName, `"system"`, `"drv": "`+string(top)+"\",\n      \"system\""), err: "want a derivation for drv"},
		{name: "another version", change: replace(manifestName, `"version": 1`, `"version": 2`), err: "version 2, want 1"},
		{name: "an unknown field", change: replace(manifestName, `"version": 1`, "\"version\": 1,\n  \"hook\": \"x\""), err: `unknown field "hook"`},
		{name: "another type of field", change: replace(manifestName, `"version": 1`, `"version": "1"`), err: "muster.json: json"},
		{name: "a field twice", change: replace(manifestName, `"version": 1`, "\"version\": 1,\n  \"version\": 1"), err: "not written as muster export"},
		{name: "a manifest and more", change: func(b *box) { f := b.member(manifestName); f.body = append(f.body, "{}"...) }, err: "after top-level value"},
		{name: "a manifest of nothing", change: func(b *box) { b.member(manifestName).body = []byte("{\n  \"version\": 1\n}\n") }, err: "neither hosts nor paths"},
		{name: "a difference that is none", change: manifest(func(m *Manifest) {
			m.ScanDiffers = map[store.Path][]store.Path{top: {top}}
		}), err: "differ about " + string(top)},
		{name: "another store", change: replace(cacheName, store.Dir, "/gnu/store"), err: "nix-cache-info: want a store in /nix/store"},
		{name: "a README that clears the screen", change: replace(readmeName, "This is", "\x1b[2JThis is"), err: "README: want text that can be printed"},
		{name: "no manifest", change: func(b *box) { b.remove(manifestName) }, err: "muster.json is missing"},
		{name: "no checksums", change: func(b *box) { b.remove(sumsName) }, err: "SHA256SUMS is missing"},
		{name: "no nar", change: func(b *box) { b.remove(last(b).field("URL")) }, err: ".nar.zst is missing"},
		{name: "no narinfo", change: func(b *box) { b.remove(last(b).name) }, err: string(top) + " is missing"},
		{name: "a path that nothing needs", change: manifest(func(m *Manifest) {
			m.Hosts[0].System = store.Path(whole.infos()[0].field("StorePath"))
		}), err: "is not needed by anything in muster.json"},

		{name: "another file", change: func(b *box) { b.members = append(b.members, &boxMember{name: "evil"}) }, err: `"evil" is not a file of an archive`, file: true},
		{name: "a name that leads out", change: func(b *box) { b.members = append(b.members, &boxMember{name: "../evil"}) }, err: `"../evil" is not`, file: true},
		{name: "an absolute name", change: func(b *box) { b.members = append(b.members, &boxMember{name: "/etc/passwd"}) }, err: `"/etc/passwd" is not`, file: true},
		{name: "a file twice", change: func(b *box) { b.members = append(b.members, b.members[0]) }, err: "duplicate file", file: true},
		{name: "a link", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeSymlink; copy(h[157:], "/etc/passwd") }), err: "type '2' and fields that", file: true},
		{name: "a hard link", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeLink }), err: "type '1'", file: true},
		{name: "a device", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeBlock }), err: "type '4'", file: true},
		{name: "a fifo", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeFifo }), err: "type '6'", file: true},
		{name: "a directory", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeDir }), err: "type '5'", file: true},
		{name: "a sparse file", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeGNUSparse }), err: "type 'S'", file: true},
		{name: "an extended header", change: header(func(h *[tarBlock]byte) { h[156] = tar.TypeXHeader }), err: "type 'x'", file: true},
		{name: "another mode", change: header(func(h *[tarBlock]byte) { copy(h[100:], "0004755\x00") }), err: "fields that muster export does not write", file: true},
		{name: "another size", change: header(func(h *[tarBlock]byte) { copy(h[124:], "77777777777\x00") }), err: "8589934591 bytes", file: true},
		{name: "a size that is negative", change: header(func(h *[tarBlock]byte) { copy(h[124:], "-0000000777\x00") }), err: "negative|fields that|want a size", file: true},
		{name: "a size in base 256", change: header(func(h *[tarBlock]byte) { copy(h[124:], "\x80\x00\x00\x00\x00\x00\x00\x7f\xff\xff\xff\xff") }), err: "want a size", file: true},
		{name: "bytes before the checksum", change: func(b *box) { b.raw = append(b.raw, func(x []byte) []byte { return append(x, make([]byte, 512)...) }) }, err: "bytes between", file: true},
		{name: "bytes after the checksum", change: func(b *box) { b.after = append(b.after, func(x []byte) []byte { return append(x, '\n') }) }, err: "no checksum at the end", file: true},
		{name: "another checksum", change: func(b *box) { b.after = append(b.after, func(x []byte) []byte { x[len(x)-2] ^= 1; return x }) }, err: "wrong checksum", file: true},
		{name: "padding that is not zero", change: func(b *box) {
			b.raw = append(b.raw, func(x []byte) []byte { x[len(x)-tarEnd-1] = 1; return x })
		}, err: "is not zero", file: true},
		{name: "cut", change: func(b *box) { b.after = append(b.after, func(x []byte) []byte { return x[:len(x)/2] }) }, err: "not complete", file: true},
		{name: "nothing", change: func(b *box) { b.after = append(b.after, func(x []byte) []byte { return nil }) }, err: "too short", file: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, asDir := range []bool{false, true} {
				if asDir && tt.file {
					continue
				}
				b := whole.clone()
				b.t = t
				tt.change(b)
				b.mend()
				name := b.write(t.TempDir(), asDir)
				a, err := Open(context.Background(), name, OpenOptions{})
				if err == nil {
					a.Close()
					t.Errorf("directory %v: opened", asDir)
					continue
				}
				if !slices.ContainsFunc(strings.Split(tt.err, "|"), func(want string) bool { return strings.Contains(err.Error(), want) }) {
					t.Errorf("directory %v: got %v, want %q", asDir, err, tt.err)
				}
				if !strings.Contains(err.Error(), name) {
					t.Errorf("it does not name the archive: %v", err)
				}
			}
		})
	}
}

// Files of an archive that are not regular files are refused at once.
func TestFilesOfOtherKindsAreRefused(t *testing.T) {
	_, top, name := smallArchive(t, 4)
	whole := unpack(t, name)
	_ = top
	var nar, narinfo string
	for _, m := range whole.members {
		if isNAR(m.name) {
			nar = m.name
		}
		if isNarInfo(m.name) {
			narinfo = m.name
		}
	}
	kinds := []struct {
		name string
		make func(p string) error
		err  string
	}{
		{"a link to /dev/zero", func(p string) error { return os.Symlink("/dev/zero", p) }, "a symbolic link"},
		{"a fifo", func(p string) error { return syscall.Mkfifo(p, 0o644) }, "a fifo"},
		{"a directory", func(p string) error { return os.Mkdir(p, 0o755) }, "a directory"},
		{"a sparse file", func(p string) error {
			f, err := os.Create(p)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(5 << 40)
		}, "larger than|bytes, "},
	}
	for _, kind := range kinds {
		for _, member := range []string{sumsName, manifestName, cacheName, readmeName, narinfo, nar} {
			t.Run(kind.name+" as "+member, func(t *testing.T) {
				dir := whole.write(t.TempDir(), true)
				p := filepath.Join(dir, member)
				if err := os.Remove(p); err != nil {
					t.Fatal(err)
				}
				if err := kind.make(p); err != nil {
					t.Skip(err)
				}
				_, err := Open(context.Background(), dir, OpenOptions{})
				if err == nil || !slices.ContainsFunc(strings.Split(kind.err, "|"), func(want string) bool { return strings.Contains(err.Error(), want) }) || !strings.Contains(err.Error(), member) {
					t.Errorf("got %v, want %s: %s", err, member, kind.err)
				}
			})
		}
	}
	t.Run("nar is a link", func(t *testing.T) {
		dir := whole.write(t.TempDir(), true)
		if err := errors.Join(os.Rename(filepath.Join(dir, "nar"), filepath.Join(dir, "elsewhere")), os.Symlink("elsewhere", filepath.Join(dir, "nar"))); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(context.Background(), dir, OpenOptions{}); err == nil || !strings.Contains(err.Error(), "nar is a symbolic link") {
			t.Errorf("got %v", err)
		}
	})
	for _, name := range []string{"/dev/zero", "/dev/null"} {
		if _, err := Open(context.Background(), name, OpenOptions{}); err == nil || !strings.Contains(err.Error(), "a device") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
