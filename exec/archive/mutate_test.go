package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"muster/exec/lab/storelab"
)

var (
	mutations    = flag.Int("mutations", 300, "change an archive in `n` ways, one after the other")
	mutationSeed = flag.Uint64("mutation-seed", 1, "the `seed` of these changes")
)

// A mutation changes a box. It mends the checksums around what it has changed, or leaves them.
type mutation struct {
	name   string
	change func(r *rand.Rand, b *box)
	must   bool // be refused: no checksum is mended
}

var mutationKinds = []mutation{
	{"bits of the file", func(r *rand.Rand, b *box) { b.after = append(b.after, flipBits(r)) }, true},
	{"file cut", func(r *rand.Rand, b *box) { b.after = append(b.after, cut(r)) }, true},
	{"parts of the file swapped", func(r *rand.Rand, b *box) { b.after = append(b.after, swap(r)) }, true},
	{"bytes more in the file", func(r *rand.Rand, b *box) { b.after = append(b.after, insert(r)) }, true},
	{"bits, checksum mended", func(r *rand.Rand, b *box) { b.raw = append(b.raw, flipBits(r)) }, true},
	{"any change, checksum mended", func(r *rand.Rand, b *box) { b.raw = append(b.raw, anyChange(r)) }, false},
	{"any change of a member", func(r *rand.Rand, b *box) {
		m := pick(r, b.members)
		m.body = anyChange(r)(m.body)
		b.mend()
	}, false},
	{"a field of a narinfo", mutateField, false},
	{"a line of a narinfo", func(r *rand.Rand, b *box) {
		m := pick(r, b.infos())
		lines := slices.Collect(bytes.Lines(m.body))
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		switch r.IntN(3) {
		case 0:
			lines[i], lines[j] = lines[j], lines[i]
		case 1:
			lines = slices.Delete(lines, i, i+1)
		case 2:
			lines = slices.Insert(lines, i, lines[j])
		}
		m.body = bytes.Join(lines, nil)
		b.mend()
	}, false},
	{"a compressed archive", func(r *rand.Rand, b *box) {
		info := pick(r, b.infos())
		b.setFile(info, anyChange(r)(slices.Clone(b.member(info.field("URL")).body)))
		b.mend()
	}, false},
	{"an archive, hash as it was", func(r *rand.Rand, b *box) {
		info := pick(r, b.infos())
		b.setNAR(info, anyChange(r)(b.nar(info)), false)
		b.mend()
	}, false},
	{"an archive, hash mended", func(r *rand.Rand, b *box) {
		info := pick(r, b.infos())
		b.setNAR(info, mutateNAR(r, b.nar(info)), true)
		b.mend()
	}, false},
	{"members", mutateMembers, false},
	{"a tar header", func(r *rand.Rand, b *box) {
		at, value := r.IntN(tarBlock), byte(r.IntN(256))
		pick(r, b.members).header = func(h *[tarBlock]byte) { h[at] = value }
	}, false},
	{"a type or a size in a tar header", func(r *rand.Rand, b *box) {
		kind, size := "0123456789SxgLKV"[r.IntN(16)], pick(r, []string{"00000000000\x00", "77777777777\x00", "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "-0000000001\x00", "00000001000\x00"})
		pick(r, b.members).header = func(h *[tarBlock]byte) {
			if h[156] = kind; r.IntN(2) == 0 {
				copy(h[124:], size)
			}
		}
	}, false},
	{"a word of the manifest", func(r *rand.Rand, b *box) {
		m := b.member(manifestName)
		words := bytes.FieldsFunc(m.body, func(c rune) bool { return strings.ContainsRune(" \n,:[]{}", c) })
		with := pick(r, []string{`""`, "0", "null", "[]", "{}", `"\u001b[2J"`, `"/etc/passwd"`, "1e999", `"` + strings.Repeat("x", 5000) + `"`, string(pick(r, words))})
		m.body = bytes.Replace(m.body, pick(r, words), []byte(with), 1)
		b.mend()
	}, false},
}

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

func flipBits(r *rand.Rand) func([]byte) []byte {
	return func(x []byte) []byte {
		if len(x) > 0 {
			x[r.IntN(len(x))] ^= 1 << r.IntN(8)
		}
		return x
	}
}

func cut(r *rand.Rand) func([]byte) []byte {
	return func(x []byte) []byte { return x[:r.IntN(max(1, len(x)))] }
}

func insert(r *rand.Rand) func([]byte) []byte {
	return func(x []byte) []byte {
		more := make([]byte, 1+r.IntN(2000))
		for i := range more {
			more[i] = byte(r.IntN(256))
		}
		return slices.Insert(x, r.IntN(len(x)+1), more...)
	}
}

func swap(r *rand.Rand) func([]byte) []byte {
	return func(x []byte) []byte {
		n := 1 + r.IntN(max(1, min(4096, len(x)/2-1)))
		if len(x) < 2*n+2 {
			return append(x, 'x')
		}
		i := r.IntN(len(x) - 2*n)
		j := i + n + r.IntN(len(x)-2*n-i)
		before := slices.Clone(x)
		a := slices.Clone(x[i : i+n])
		copy(x[i:], x[j:j+n])
		copy(x[j:], a)
		if bytes.Equal(x, before) {
			x[i] ^= 1
		}
		return x
	}
}

func anyChange(r *rand.Rand) func([]byte) []byte {
	return pick(r, []func(*rand.Rand) func([]byte) []byte{flipBits, cut, insert, swap})(r)
}

// mutateNAR changes an archive where it matters: words of the format, sizes, names.
func mutateNAR(r *rand.Rand, nar []byte) []byte {
	word := func() int { return 8 * r.IntN(len(nar)/8) }
	switch r.IntN(6) {
	case 0:
		at := word()
		binary.LittleEndian.PutUint64(nar[at:], pick(r, []uint64{0, 1, 7, 8, 1 << 20, 1 << 31, 1 << 62, 1<<63 - 8, 1 << 63, 1<<64 - 1}))
	case 1:
		copy(nar[word():], nar[word():][:8])
	case 2:
		at := word()
		nar = slices.Delete(nar, at, at+8)
	case 3:
		at := word()
		nar = slices.Insert(nar, at, nar[word():][:8]...)
	case 4:
		old, with := pick(r, []string{"bin", "data", "refs", "link", "run"}), pick(r, []string{"..", ".", "a/b", "\x00", "", "zz", "bin"})
		nar = bytes.Replace(nar, narText(old), narText(with), 1)
	default:
		nar = anyChange(r)(nar)
	}
	return nar
}

func mutateField(r *rand.Rand, b *box) {
	keys := []string{"StorePath", "URL", "Compression", "FileHash", "FileSize", "NarHash", "NarSize", "References", "Deriver", "Sig", "CA", "Evil"}
	key, m := pick(r, keys), pick(r, b.infos())
	m.set(key, pick(r, []string{
		"", "0", "-1", "1", "9223372036854775807", "18446744073709551616", "/etc/passwd", "../../etc", "none", "xz", "x:y",
		"sha256:" + strings.Repeat("0", 52), "md5:" + strings.Repeat("0", 26), strings.Repeat("0", 32) + "-x", strings.Repeat("x", 100000), "\x1b[2J\u202e",
		pick(r, b.infos()).field(key), pick(r, b.infos()).field(pick(r, keys)), strconv.Itoa(r.IntN(100000)),
		string(bytes.TrimSpace(anyChange(r)([]byte(m.field(key) + " ")))),
	}))
	b.mend()
}

func mutateMembers(r *rand.Rand, b *box) {
	i, j := r.IntN(len(b.members)), r.IntN(len(b.members))
	switch r.IntN(5) {
	case 0:
		b.members[i], b.members[j] = b.members[j], b.members[i]
	case 1:
		b.members = slices.Delete(b.members, i, i+1)
	case 2:
		b.members = slices.Insert(b.members, i, b.members[j])
	case 3:
		b.members[i].body = b.members[j].body
	case 4:
		b.members[i].name = pick(r, []string{b.members[j].name, "../x", "/etc/passwd", "", "nar", "nar/..", strings.Repeat("n", 100), "\x1b[2J", "nar/" + strings.Repeat("0", 52) + ".nar.zst"})
	}
	b.mend()
}

// Each change is refused, with a message that names the archive and the reason and does nothing to a terminal, or does no
// harm: what is then imported is a whole store.
func TestMutationsAreRefusedOrHarmless(t *testing.T) {
	_, top, name := smallArchive(t, 6)
	whole := unpack(t, name)
	dir := t.TempDir()
	refusedOf, all := make(map[string]int), make(map[string]int)
	for i := range *mutations {
		r := rand.New(rand.NewPCG(*mutationSeed, uint64(i)))
		kind := mutationKinds[i%len(mutationKinds)]
		b := whole.clone()
		kind.change(r, b)
		asDir := r.IntN(4) == 0 && len(b.raw)+len(b.after) == 0 && !slices.ContainsFunc(b.members, func(m *boxMember) bool { return m.header != nil })
		name := b.write(dir, asDir)
		if asDir && r.IntN(3) == 0 {
			kind.name += " and a file of another kind"
			changeKind(r, filepath.Join(name, pick(r, whole.members).name))
		}
		what := fmt.Sprintf("mutation %d (seed %d, directory %v): %s", i, *mutationSeed, asDir, kind.name)
		all[kind.name]++
		began := time.Now()
		a, err := Open(context.Background(), name, OpenOptions{})
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("%s: it took %v", what, took)
		}
		if err != nil {
			refusedOf[kind.name]++
			checkRefusal(t, what, name, err)
			continue
		}
		if kind.must {
			t.Errorf("%s: opened", what)
		}
		harmless := t.Run(fmt.Sprint(i), func(t *testing.T) {
			to := storelab.New(t)
			if _, err := copyTo(t, to, a, a.Manifest.roots()...); err != nil {
				t.Errorf("%s: checked, and yet %v", what, err)
			}
			to.Verify()
			to.PathInfos(a.Manifest.roots()[0])
		})
		if a.Close(); !harmless {
			t.Logf("%s, %s", what, top)
		}
	}
	for _, kind := range mutationKinds {
		t.Logf("%s: %d of %d refused", kind.name, refusedOf[kind.name], all[kind.name])
	}
	if peak := peakMemory(t); peak > 300<<20 {
		t.Errorf("%d MB of memory", peak>>20)
	}
}

// changeKind replaces a file by something that is no regular file.
func changeKind(r *rand.Rand, name string) {
	os.RemoveAll(name)
	switch r.IntN(5) {
	case 0:
		os.Symlink("/dev/zero", name)
	case 1:
		os.Symlink("SHA256SUMS", name)
	case 2:
		syscall.Mkfifo(name, 0o644)
	case 3:
		os.Mkdir(name, 0o755)
	case 4:
		os.WriteFile(name, nil, 0o644)
		os.Truncate(name, 4400<<20)
	}
}

func checkRefusal(t *testing.T, what, name string, err error) {
	t.Helper()
	text := err.Error()
	if !errors.Is(err, ErrDamaged) && !strings.Contains(text, "version") {
		t.Errorf("%s: %v is not ErrDamaged", what, err)
	}
	if !strings.Contains(text, name) || len(text) > 5000 {
		t.Errorf("%s: a message of %d bytes: %.300s", what, len(text), text)
	}
	if at := strings.IndexFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }); at >= 0 {
		t.Errorf("%s: not for a terminal: %q", what, text)
	}
}

// peakMemory is the most memory that this process has had.
func peakMemory(t *testing.T) (bytes int64) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			fmt.Sscan(value, &bytes)
		}
	}
	return bytes << 10
}
