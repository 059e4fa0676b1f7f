package store

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// These tests ask Nix itself.

// nix runs a Nix command on the chroot store at root, with no configuration but this.
func nix(t *testing.T, root, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "NIX_REMOTE="+root, "NIX_CONFIG=build-users-group =\nsubstitute = false\nexperimental-features = nix-command")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// chroot makes an empty chroot store.
func chroot(t *testing.T) string {
	root := t.TempDir()
	t.Cleanup(func() {
		filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				os.Chmod(p, 0o755)
			}
			return nil
		})
	})
	return root
}

func writeFile(t *testing.T, path, contents string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(contents), mode); err != nil {
		t.Fatal(err)
	}
}

// sourceDir is what shapes.nix takes sources from.
func sourceDir(t *testing.T) string {
	dir := filepath.Join(t.TempDir(), "source-dir")
	if err := os.MkdirAll(filepath.Join(dir, "sub/empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "file"), "contents\n", 0o644)
	writeFile(t, filepath.Join(dir, "run"), "#!/bin/sh\n", 0o755)
	writeFile(t, filepath.Join(dir, "sub/file"), strings.Repeat("x", 100_003), 0o644)
	if err := os.Symlink("file", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

var drvs = flag.String("drvs", "", "check also every derivation of the store whose files are in `directory`")

func TestDerivationsAsNixWritesThem(t *testing.T) {
	root, dir := chroot(t), sourceDir(t)
	nix(t, root, "nix-instantiate", "testdata/shapes.nix", "--arg", "dir", dir)
	if n := checkDerivations(t, filepath.Join(root, Dir)); n < 65 {
		t.Errorf("the test is about more than %d derivations", n)
	}
	if *drvs != "" {
		t.Logf("%d derivations in %s", checkDerivations(t, *drvs), *drvs)
	}
}

// checkDerivations computes again all that can be computed of the derivations in a store.
func checkDerivations(t *testing.T, storeDir string) int {
	files, err := filepath.Glob(filepath.Join(storeDir, "*.drv"))
	if err != nil {
		t.Fatal(err)
	}
	modulo := NewModulo(func(p Path) (*Derivation, error) { return readDerivation(storeDir, p) })
	for _, file := range files {
		p := Path(Dir + "/" + filepath.Base(file))
		t.Run(p.Name(), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			d, err := ParseDerivation(p, text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(text), string(d.ATerm())); diff != "" {
				t.Errorf("written again:\n%s", diff)
			}
			if got, err := d.Path(); err != nil || got != p {
				t.Errorf("path: got %s, %v, want %s", got, err, p)
			}
			filled := blank(d)
			if err := filled.FillOutputs(modulo); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(d, filled); diff != "" {
				t.Errorf("outputs computed again:\n%s", diff)
			}
		})
	}
	return len(files)
}

func readDerivation(storeDir string, p Path) (*Derivation, error) {
	text, err := os.ReadFile(filepath.Join(storeDir, p.Base()))
	if err != nil {
		return nil, err
	}
	return ParseDerivation(p, text)
}

// blank is d as it is before its outputs are known.
func blank(d *Derivation) *Derivation {
	b := *d
	b.Outputs, b.Env = make(map[string]Output), make(map[string]string)
	for k, v := range d.Env {
		b.Env[k] = v
	}
	for name, o := range d.Outputs {
		o.Path = ""
		b.Outputs[name] = o
		delete(b.Env, name)
	}
	return &b
}

// Inputs with equal hashes must count once whatever the order they are met in.
func TestMergedInputsAreDeterministic(t *testing.T) {
	root, dir := chroot(t), sourceDir(t)
	drv := strings.TrimSpace(nix(t, root, "nix-instantiate", "testdata/shapes.nix", "--arg", "dir", dir, "-A", "merged"))
	read := func(p Path) (*Derivation, error) { return readDerivation(filepath.Join(root, Dir), p) }
	d, err := read(Path(drv))
	if err != nil {
		t.Fatal(err)
	}
	if len(d.InputDrvs) != 2 {
		t.Fatalf("the test is about two inputs, got %v", d.InputDrvs)
	}
	for range 200 {
		paths, err := d.OutputPaths(NewModulo(read))
		if err != nil || paths["out"] != d.Outputs["out"].Path {
			t.Fatalf("got %v, %v, want %s", paths, err, d.Outputs["out"].Path)
		}
	}
}

func TestSourcePathsAsNixComputesThem(t *testing.T) {
	root, dir := chroot(t), sourceDir(t)
	expr := fmt.Sprintf(`let dir = %s; in {
		whole = "${dir}";
		file = "${dir + "/file"}";
		some = builtins.filterSource (path: type: type != "symlink" && baseNameOf path != "sub") dir;
		flat = builtins.path { path = dir + "/file"; recursive = false; name = "flat"; };
		text = builtins.toFile "text.txt" "some text";
		refs = builtins.toFile "refs.txt" "${builtins.toFile "b" "b"} ${dir} ${builtins.toFile "a" "a"}";
		placeholder = placeholder "dev";
	}`, dir)
	var want map[string]string
	if err := json.Unmarshal([]byte(nix(t, root, "nix-instantiate", "--eval", "--strict", "--json", "--read-write-mode", "--expr", expr)), &want); err != nil {
		t.Fatal(err)
	}

	source := func(name, path string, filter Filter) Path {
		h, _, err := HashNAR(SHA256, Disk{}, path, filter)
		if err != nil {
			t.Fatal(err)
		}
		return must(SourcePath(name, h, nil, false))(t)
	}
	whole := source("source-dir", dir, nil)
	filter := func(path string, ft FileType) (bool, error) {
		return ft != Symlink && filepath.Base(path) != "sub", nil
	}
	a, b := must(TextPath("a", "a", nil))(t), must(TextPath("b", "b", nil))(t)
	got := map[string]string{
		"whole":       string(whole),
		"file":        string(source("file", filepath.Join(dir, "file"), nil)),
		"some":        string(source("source-dir", dir, filter)),
		"flat":        string(must(FixedPath("flat", HashString(SHA256, "contents\n"), false))(t)),
		"text":        string(must(TextPath("text.txt", "some text", nil))(t)),
		"refs":        string(must(TextPath("refs.txt", fmt.Sprintf("%s %s %s", b, whole, a), []Path{b, whole, a, b}))(t)),
		"placeholder": Placeholder("dev"),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("store paths (-Nix +ours):\n%s", diff)
	}

	// What the store's database says of the text must be what we would say.
	var infos []struct{ CA string }
	if err := json.Unmarshal([]byte(nix(t, root, "nix", "path-info", "--json", got["text"], got["whole"])), &infos); err != nil {
		t.Fatal(err)
	}
	nar, _, err := HashNAR(SHA256, Disk{}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	cas := []string{infos[0].CA, infos[1].CA}
	wantCAs := []string{TextCA("some text"), FixedCA(nar, true)}
	slices.Sort(cas)
	slices.Sort(wantCAs)
	if diff := cmp.Diff(wantCAs, cas); diff != "" {
		t.Errorf("content addresses (-ours +Nix):\n%s", diff)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// Something that refers to others and to itself gets such a path from nix store make-content-addressed, the only command
// that makes one.
func TestSourcePathWithReferences(t *testing.T) {
	root := chroot(t)
	expr := `derivation { name = "refs"; system = builtins.currentSystem; builder = "/bin/sh";
		input = builtins.toFile "input" "x"; args = [ "-c" "echo $input $out > $out" ]; }`
	drv := strings.TrimSpace(nix(t, root, "nix-instantiate", "--expr", expr))
	out := Path(strings.TrimSpace(nix(t, root, "nix-store", "--query", "--outputs", drv)))
	input := must(TextPath("input", "x", nil))(t)
	contents := fmt.Sprintf("%s %s\n", input, out) // what a build would make of it

	// The command turns the input into a source as well and puts that in its place. The path is computed of the archive
	// with its own digest zeroed, followed by where the digest was.
	var nar bytes.Buffer
	if err := DumpFile(&nar, []byte("x"), false); err != nil {
		t.Fatal(err)
	}
	newInput := must(SourcePath("input", HashBytes(SHA256, nar.Bytes()), nil, false))(t)
	nar.Reset()
	zeroed := strings.ReplaceAll(contents, out.Digest(), strings.Repeat("\x00", 32))
	if err := DumpFile(&nar, []byte(strings.ReplaceAll(zeroed, string(input), string(newInput))), false); err != nil {
		t.Fatal(err)
	}
	at := strings.Index(nar.String(), Dir+"/\x00") + len(Dir) + 1
	h := HashString(SHA256, nar.String()+fmt.Sprintf("|%d", at))
	got := must(SourcePath("refs", h, []Path{newInput}, true))(t)

	registerFile(t, root, out, contents, []Path{input, out}, Path(drv))
	want := strings.TrimSpace(nix(t, root, "nix", "store", "make-content-addressed", "--json", string(out)))
	if !strings.Contains(want, `"`+string(got)+`"`) {
		t.Errorf("got %s, Nix says %s", got, want)
	}
}

// registerFile puts a file into the store as if it had been built.
func registerFile(t *testing.T, root string, p Path, contents string, refs []Path, deriver Path) {
	t.Helper()
	disk := filepath.Join(root, string(p))
	writeFile(t, disk, contents, 0o444)
	h, size, err := HashNAR(SHA256, Disk{}, disk, nil)
	if err != nil {
		t.Fatal(err)
	}
	var in strings.Builder
	fmt.Fprintf(&in, "%s\n%s\n%d\n%s\n%d\n", p, h.Base16(), size, deriver, len(refs))
	for _, r := range refs {
		fmt.Fprintln(&in, r)
	}
	cmd := exec.Command("nix-store", "--load-db")
	cmd.Env = append(os.Environ(), "NIX_REMOTE="+root, "NIX_CONFIG=build-users-group =")
	cmd.Stdin = strings.NewReader(in.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nix-store --load-db: %v\n%s", err, out)
	}
}

func TestHashesAsNixSpellsThem(t *testing.T) {
	root, file := chroot(t), filepath.Join(t.TempDir(), "file")
	writeFile(t, file, "some content", 0o644)
	for _, algo := range []Algo{MD5, SHA1, SHA256, SHA512} {
		h := HashString(algo, "some content")
		args := []string{"hash", "file", "--type", string(algo)}
		for flag, got := range map[string]string{"--base16": h.Base16(), "--base32": h.Base32(), "--base64": h.Base64(), "--sri": h.SRI()} {
			want := strings.TrimSpace(nix(t, root, "nix", append(args, flag, file)...))
			if got != want {
				t.Errorf("%s %s: got %s, want %s", algo, flag, got, want)
			}
			if back, err := ParseHash(want, algo); err != nil || back != h {
				t.Errorf("parse %s: got %v, %v", want, back, err)
			}
		}
		want := strings.TrimSpace(nix(t, root, "nix-hash", "--type", string(algo), "--truncate", "--base32", "--flat", file))
		sum := h.Bytes()
		if len(sum) > 20 {
			sum = CompressHash(sum, 20)
		}
		if got := EncodeBase32(sum); got != want {
			t.Errorf("%s folded to 160 bits: got %s, want %s", algo, got, want)
		}
	}
}

// randomTree fills dir with files, links and directories of odd names and sizes.
func randomTree(t *testing.T, rnd *rand.Rand, dir string, depth int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	odd := []string{"a", "A", "a.b", "a-b", "a b", "ü", "\xff\xfe", "new\nline", "-", "...", ".hidden", "~", "a~nix~case~hack~1", strings.Repeat("n", 255)}
	for range rnd.IntN(8) {
		name := odd[rnd.IntN(len(odd))]
		path := filepath.Join(dir, name)
		if _, err := os.Lstat(path); err == nil {
			continue
		}
		switch rnd.IntN(4) {
		case 0:
			if depth > 0 {
				randomTree(t, rnd, path, depth-1)
			}
		case 1:
			if err := os.Symlink(odd[rnd.IntN(len(odd))]+"/../x", path); err != nil {
				t.Fatal(err)
			}
		default:
			sizes := []int{0, 1, 7, 8, 9, 4096, 65535, 65536, 300_001}
			b := make([]byte, sizes[rnd.IntN(len(sizes))])
			for i := range b {
				b[i] = byte(rnd.Uint32())
			}
			mode := []os.FileMode{0o644, 0o755, 0o400, 0o555, 0o654}[rnd.IntN(5)]
			writeFile(t, path, string(b), mode)
		}
	}
}

func TestArchivesAsNixWritesThem(t *testing.T) {
	root, rnd := chroot(t), rand.New(rand.NewPCG(1, 2))
	for i := range 25 {
		dir := filepath.Join(t.TempDir(), "tree")
		randomTree(t, rnd, dir, 4)
		want := nix(t, root, "nix-store", "--dump", dir)
		var got bytes.Buffer
		if err := Dump(&got, dir, nil); err != nil {
			t.Fatal(err)
		}
		if got.String() != want {
			t.Fatalf("tree %d: archives differ", i)
		}

		// Through reader and writer, and out to disk and in again.
		var copied bytes.Buffer
		if err := copyNAR(&copied, strings.NewReader(want)); err != nil || copied.String() != want {
			t.Fatalf("tree %d: copied archive differs: %v", i, err)
		}
		restored := filepath.Join(t.TempDir(), "restored")
		if err := restore(strings.NewReader(want), restored); err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := Dump(&again, restored, nil); err != nil || again.String() != want {
			t.Fatalf("tree %d: restored tree differs: %v", i, err)
		}
	}
}

// copyNAR copies and checks one archive. If r is a [bufio.Reader], what follows the archive in it is not read.
func copyNAR(w io.Writer, r io.Reader) error {
	nr, nw := NewNARReader(r), NewNARWriter(w)
	for {
		h, err := nr.Next()
		if err == io.EOF {
			return nw.Close()
		}
		if err != nil {
			return err
		}
		if err := nw.WriteHeader(*h); err != nil {
			return err
		}
		if h.Type == Regular {
			if _, err := io.Copy(nw, nr); err != nil {
				return fmt.Errorf("copy archive: %w", err)
			}
		}
	}
}
