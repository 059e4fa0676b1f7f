package fetch

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"muster/compile/flake"
	"muster/compile/store"
)

// A member is a file of an archive.
type member struct {
	name, content string
	kind          byte // tar.TypeReg if 0
}

// made makes a tar archive.
func made(t *testing.T, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Mode: 0o644, ModTime: time.Unix(1700000000, 0)}
		if h.Typeflag == 0 {
			h.Typeflag, h.Size = tar.TypeReg, int64(len(m.content))
		} else {
			h.Linkname = m.content
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.WriteString(w, m.content)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	w.Close()
	return out.Bytes()
}

// newFetcher makes a Fetcher with a cache of its own, and no store.
func newFetcher(t *testing.T) *Fetcher {
	t.Helper()
	return &Fetcher{Dir: filepath.Join(t.TempDir(), "cache"), StoreDir: "/nonexistent", Warn: func(text string) { t.Log(text) }}
}

// serving makes a server that has one content.
func serving(t *testing.T, content []byte) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		w.Write(content)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/x.tar", requests
}

func tarballOf(url string) flake.Attrs { return flake.Attrs{"type": "tarball", "url": url} }

// read returns the files of a tree, with the targets of its links.
func read(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(p, dir+"/")
		if d.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			files[name] = "-> " + target
			return err
		}
		text, err := os.ReadFile(p)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestArchivesAreUnpacked(t *testing.T) {
	plain := made(t, member{name: "top/", kind: tar.TypeDir}, member{name: "top/a", content: "A"}, member{name: "top/b/c", content: "C"},
		member{name: "top/l", content: "b/c", kind: tar.TypeSymlink}, member{name: "top/h", content: "top/a", kind: tar.TypeLink}, member{name: "top/a", content: "again"},
		member{name: "top/hl", content: "top/l", kind: tar.TypeLink})
	var x, z bytes.Buffer
	xw, err := xz.NewWriter(&x)
	if err != nil {
		t.Fatal(err)
	}
	xw.Write(plain)
	xw.Close()
	zw, _ := zstd.NewWriter(&z)
	zw.Write(plain)
	zw.Close()
	want := map[string]string{"a": "again", "b/c": "C", "l": "-> b/c", "h": "A", "hl": "-> b/c"}
	for name, content := range map[string][]byte{"tar": plain, "gzip": gzipped(plain), "xz": x.Bytes(), "zstd": z.Bytes()} {
		t.Run(name, func(t *testing.T) {
			url, _ := serving(t, content)
			tree, err := newFetcher(t).Fetch(t.Context(), tarballOf(url), false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, read(t, tree.Dir)); diff != "" {
				t.Error(diff)
			}
			locked := flake.Attrs{"type": "tarball", "url": url, "lastModified": int64(1700000000), "narHash": "sha256-mCVUx0jpoEFxBaz6hVCqBkMoS6pbqYTbh8WnRPoHhG0="}
			locked["narHash"] = tree.Locked["narHash"]
			if diff := cmp.Diff(locked, tree.Locked); diff != "" {
				t.Error(diff)
			}
			if p, err := store.FixedPath("source", tree.Locked.NARHash(), true); err != nil || p != tree.Path {
				t.Errorf("path %s, want %s, %v", tree.Path, p, err)
			}
		})
	}
}

// zipOf is a zip archive of one file.
func zipOf(t *testing.T, name, content string, mode fs.FileMode) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	h := &zip.FileHeader{Name: name}
	h.SetMode(mode)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.WriteString(w, content)
	}
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shortened makes the index of a zip archive say that its file has half of its bytes.
func shortened(z []byte) []byte {
	size := bytes.LastIndex(z, []byte("PK\x01\x02")) + 24
	z[size] /= 2
	return z
}

// TestOddArchivesAreUnpacked are archives that Nix unpacks as well.
func TestOddArchivesAreUnpacked(t *testing.T) {
	good := made(t, member{name: "top/a", content: "A"})
	for name, c := range map[string]struct {
		content []byte
		want    map[string]string
	}{
		"something behind gzip":  {append(gzipped(good), "garbage, and more of it"...), map[string]string{"a": "A"}},
		"gzip in two parts":      {append(gzipped(good[:512]), gzipped(good[512:])...), map[string]string{"a": "A"}},
		"dots in names":          {made(t, member{name: "./", kind: tar.TypeDir}, member{name: "./top/", kind: tar.TypeDir}, member{name: "./top//a", content: "A"}, member{name: "top/./b", content: "B"}), map[string]string{"a": "A", "b": "B"}},
		"a zip of Windows":       {zipOf(t, `top\d\a`, "A", 0o644), map[string]string{"d/a": "A"}},
		"two directories on top": {made(t, member{name: "r/a", content: "A"}, member{name: "s/b", content: "B"}), map[string]string{"r/a": "A", "s/b": "B"}},
		"a file on top":          {made(t, member{name: "only", content: "A"}), map[string]string{"only": "A"}},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := serving(t, c.content)
			tree, err := newFetcher(t).Fetch(t.Context(), tarballOf(url), false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, read(t, tree.Dir)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvilArchivesAreRefused(t *testing.T) {
	good := made(t, member{name: "top/a", content: strings.Repeat("content", 1000)})
	zipped := gzipped(good)
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"above", made(t, member{name: "top/../../evil", content: "x"}), `member "top/../../evil" leads out of the directory`},
		{"absolute", made(t, member{name: "/tmp/evil", content: "x"}), `member "/tmp/evil" does not belong below the directory`},
		{"link out", made(t, member{name: "top/l", content: "../../etc/passwd", kind: tar.TypeSymlink}), `member "top/l" is a link out of the archive, to "../../etc/passwd"`},
		{"absolute link", made(t, member{name: "top/l", content: "/etc/passwd", kind: tar.TypeSymlink}), `is a link out of the archive, to "/etc/passwd"`},
		{"through a link", made(t, member{name: "top/l", content: filepath.Dir(secret), kind: tar.TypeSymlink}, member{name: "top/l/secret", content: "x"}), `member "top/l" is a directory, and was a file or a link before`},
		{"over a link", made(t, member{name: "top/l", content: secret, kind: tar.TypeSymlink}, member{name: "top/l", content: "x"}), "is a link out of the archive"},
		{"hard link out", made(t, member{name: "top/l", content: "../../etc/passwd", kind: tar.TypeLink}), `member "../../etc/passwd" leads out`},
		{"hard link to nothing", made(t, member{name: "top/l", content: "top/none", kind: tar.TypeLink}), "which is no file before it"},
		{"link out of the top directory", made(t, member{name: "top/l", content: "../x", kind: tar.TypeSymlink}), `member "top/l" is a link out of the archive, to "../x"`},
		{"link out by way of a link", made(t, member{name: "top/d", content: ".", kind: tar.TypeSymlink}, member{name: "top/a/l", content: "../d/d/../../x", kind: tar.TypeSymlink}), `member "top/a/l" is a link out of the archive`},
		{"link to a link out", made(t, member{name: "l", content: "d/m", kind: tar.TypeSymlink}, member{name: "d/m", content: "../../x", kind: tar.TypeSymlink}), `member "d/m" is a link out of the archive`},
		{"hard link to a link, deeper", made(t, member{name: "top/a/b/s", content: "../../x", kind: tar.TypeSymlink}, member{name: "top/l", content: "top/a/b/s", kind: tar.TypeLink}), `member "top/l" is a link out of the archive, to "../../x"`},
		{"device", made(t, member{name: "top/d", kind: tar.TypeChar}), "neither a file, a directory nor a link"},
		{"fifo", made(t, member{name: "top/f", kind: tar.TypeFifo}), "neither a file, a directory nor a link"},
		{"truncated", zipped[:len(zipped)-9], "the archive is truncated"},
		{"truncated in a file", good[:2000], "the archive is truncated"},
		{"truncated after a file", good[:512+7168], "the archive is truncated"},
		{"no archive", []byte("<html>" + strings.Repeat("not found ", 100)), "not an archive that can be unpacked"},
		{"empty", nil, "the archive is truncated"},
		{"page of a few words", []byte("<html>not found</html>"), "not an archive that can be unpacked"},
		{"compressed twice", gzipped(zipped), "not an archive that can be unpacked"},
		{"truncated checksum", zipped[:len(zipped)-3], "the archive is truncated"},
		{"cut second part", append(slices.Clone(zipped), zipped[:20]...), "the archive is truncated"},
		{"no name", made(t, member{name: "", content: "x"}), "a member has no name"},
		{"file in place of the root", made(t, member{name: "./.", content: "x"}), "a member is a file in place of the directory"},
		{"long name", made(t, member{name: "top/" + strings.Repeat("n", 300), content: "x"}), `n"… has a name of more than 255 bytes`},
		{"deep", made(t, member{name: strings.Repeat("d/", 1500) + "f", content: "x"}), `"… is more than 1000 directories deep`},
		{"long path", made(t, member{name: strings.Repeat(strings.Repeat("d", 200)+"/", 25), kind: tar.TypeDir}), "does not belong below the directory"},
		{"link to itself in a path", made(t, member{name: "top/l", content: "l", kind: tar.TypeSymlink}, member{name: "top/l/x", content: "x"}), `member "top/l" is a directory, and was a file or a link before`},
		{"through a link up", made(t, member{name: "top/a/l", content: "..", kind: tar.TypeSymlink}, member{name: "top/a/l/x", content: "x"}), `member "top/a/l" is a directory, and was a file or a link before`},
		{"hard link through a link", made(t, member{name: "top/l", content: ".", kind: tar.TypeSymlink}, member{name: "top/h", content: "top/l/h", kind: tar.TypeLink}), `member "top/l" is a directory, and was a file or a link before`},
		{"hard link to a directory", made(t, member{name: "top/d/", kind: tar.TypeDir}, member{name: "top/h", content: "top/d", kind: tar.TypeLink}), "which is no file before it"},
		{"hard link outside by name", made(t, member{name: "top/h", content: "/etc/passwd", kind: tar.TypeLink}), `member "/etc/passwd" does not belong below`},
		{"file below a file", made(t, member{name: "top/a", content: "x"}, member{name: "top/a/b", content: "x"}), `member "top/a" is a directory, and was a file or a link before`},
		{"file over a directory", made(t, member{name: "top/d/", kind: tar.TypeDir}, member{name: "top/d", content: "x"}), `member "top/d" is a file, and was a directory before`},
		{"link without a target", made(t, member{name: "top/l", content: "", kind: tar.TypeSymlink}), `member "top/l" is a link to ""`},
		{"block device", made(t, member{name: "top/d", kind: tar.TypeBlock}), "neither a file, a directory nor a link"},
		{"wrong checksum of a header", append([]byte("x"), good[1:]...), "not an archive that can be unpacked"},
		{"zip above", zipOf(t, "top/../../evil", "x", 0o644), `member "top/../../evil" leads out`},
		{"zip absolute", zipOf(t, "/tmp/evil", "x", 0o644), `member "/tmp/evil" does not belong below`},
		{"zip link out", zipOf(t, "top/l", "/etc/passwd", fs.ModeSymlink|0o777), "is a link out of the archive"},
		{"zip above with backslashes", zipOf(t, `top\..\..\evil`, "x", 0o644), "leads out"},
		{"zip cut", zipOf(t, "top/a", "content", 0o644)[:60], "the archive is damaged or truncated"},
		{"zip whose index says less", shortened(zipOf(t, "top/a", strings.Repeat("x", 60), 0o644)), "is not what the index of the archive says"},
		{"damaged", append(append([]byte{}, zipped[:60]...), bytes.Repeat([]byte{7}, 60)...), "unpack "},
		{"too large", made(t, member{name: "top/a", content: strings.Repeat("x", 300_000)}), "its files have more than 100000 bytes"},
		{"bomb", gzipped(made(t, member{name: "top/a", content: strings.Repeat("x", 5_000_000)})), "its files have more than 100000 bytes"},
		{"too many", made(t, member{name: "1", content: ""}, member{name: "2"}, member{name: "3"}, member{name: "4"}, member{name: "5"}, member{name: "6"}), "more than 5 files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFetcher(t)
			f.Limits = DefaultLimits
			f.Limits.Unpacked, f.Limits.Entries = 100_000, 5
			url, _ := serving(t, c.content)
			_, err := f.Fetch(t.Context(), tarballOf(url), false)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if trees, _ := os.ReadDir(filepath.Join(f.Dir, "tree")); len(trees) > 0 {
				t.Errorf("kept %v", trees)
			}
			if left, _ := os.ReadDir(filepath.Join(f.Dir, "tmp")); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "before" {
		t.Errorf("a file outside is %q, %v", text, err)
	}
}

// A link out of the tree is content like any other where a hash says that it belongs there.
func TestPinnedArchivesMayHoldLinksOut(t *testing.T) {
	content := made(t, member{name: "top/l", content: "/etc/passwd", kind: tar.TypeSymlink}, member{name: "top/a", content: "A"})
	dir := t.TempDir()
	if err := errors.Join(os.Symlink("/etc/passwd", filepath.Join(dir, "l")), os.WriteFile(filepath.Join(dir, "a"), []byte("A"), 0o644)); err != nil {
		t.Fatal(err)
	}
	h, _, err := store.HashNAR(store.SHA256, store.Disk{}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	url, _ := serving(t, content)
	tree, err := newFetcher(t).Fetch(t.Context(), tarballOf(url).With("narHash", h.SRI()), false)
	if err != nil || tree.Locked.NARHash() != h {
		t.Errorf("%v, %v", tree, err)
	}
}

func TestWrongHash(t *testing.T) {
	url, _ := serving(t, made(t, member{name: "top/a", content: "A"}))
	wrong := "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, final := range []bool{false, true} {
		_, err := newFetcher(t).Fetch(t.Context(), tarballOf(url).With("narHash", wrong), final)
		var hash *HashError
		if !errors.As(err, &hash) || hash.Want.SRI() != wrong || hash.Got.IsZero() {
			t.Errorf("final %v: %v", final, err)
		}
	}
	_, err := newFetcher(t).URL(t.Context(), url, "x", store.HashString(store.SHA256, "other"))
	if err == nil || !strings.Contains(err.Error(), "hash mismatch in file downloaded from") {
		t.Error(err)
	}
}

func TestServersThatFail(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/401":
			w.WriteHeader(http.StatusUnauthorized)
		case "/404":
			w.WriteHeader(http.StatusNotFound)
		case "/500":
			w.WriteHeader(http.StatusInternalServerError)
		case "/short":
			w.Header().Set("Content-Length", "100000")
			w.Write(make([]byte, 1000))
		case "/long":
			w.Write(make([]byte, 1<<20))
		case "/silent":
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		case "/file":
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		}
	}))
	defer s.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for url, want := range map[string]string{
		s.URL + "/401":                "HTTP status 401 (Unauthorized): the server wants a password or token: see access-tokens and netrc-file",
		s.URL + "/404":                "HTTP status 404 (Not Found): it does not exist, or is private",
		s.URL + "/500":                "HTTP status 500",
		s.URL + "/short":              "it breaks off after 1000 bytes: unexpected EOF",
		s.URL + "/long":               "it has more than 500000 bytes",
		s.URL + "/silent":             "the server has sent nothing for 300ms",
		s.URL + "/file":               "which is refused",
		s.URL + "/loop":               "more than 20 redirections",
		closed.URL + "/x":             "connection refused",
		"https://nowhere.invalid/x":   "the host nowhere.invalid is not found: is there a network?",
		"file:///nonexistent/x":       "no such file",
		"file://" + t.TempDir():       "it is a directory and not a file; for a git repository, say git+file",
		"ftp://example.org/x.tar.gz#": "want a URL of https, http or file",
	} {
		t.Run(url, func(t *testing.T) {
			f := newFetcher(t)
			f.Limits = DefaultLimits
			f.Limits.Download, f.Limits.Stall = 500_000, 300*time.Millisecond
			if strings.HasSuffix(url, ".invalid/x") {
				f.Limits.Stall = time.Minute // a resolver may take its time
			}
			_, err := f.URL(t.Context(), url, "x", store.Hash{})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q", err, want)
			}
		})
	}
}

// By the lockable-tarball protocol, what is locked is the URL that the server names.
func TestLockableTarball(t *testing.T) {
	content := gzipped(made(t, member{name: "top/a", content: "A"}))
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/latest.tar.gz" {
			w.Header().Set("Link", fmt.Sprintf(`<%s/1.2.tar.gz?rev=1234567890123456789012345678901234567890&revCount=7>; rel="immutable"`, s.URL))
			http.Redirect(w, r, "/1.2.tar.gz", http.StatusFound)
			return
		}
		w.Header().Set("Link", fmt.Sprintf(`<%s/1.2.tar.gz?rev=1234567890123456789012345678901234567890&revCount=7>; rel="immutable"`, s.URL))
		w.Write(content)
	}))
	defer s.Close()
	tree, err := newFetcher(t).Fetch(t.Context(), tarballOf(s.URL+"/latest.tar.gz"), false)
	if err != nil {
		t.Fatal(err)
	}
	want := flake.Attrs{"type": "tarball", "url": s.URL + "/1.2.tar.gz", "rev": "1234567890123456789012345678901234567890", "revCount": int64(7), "lastModified": int64(1700000000),
		"narHash": tree.Locked["narHash"]}
	if diff := cmp.Diff(want, tree.Locked); diff != "" {
		t.Error(diff)
	}
}

func TestBadImmutableLinks(t *testing.T) {
	content := gzipped(made(t, member{name: "top/a", content: "A"}))
	for link, want := range map[string]string{
		"file:///etc/passwd":           "a server cannot refer to a file of this machine",
		"tarball+file:///etc/passwd":   "a server cannot refer to a file of this machine",
		"/1.2.tar.gz":                  "'/1.2.tar.gz' doesn't have a scheme",
		"git+https://example.org/x":    "non-tarball URLs are not supported",
		"https://example.org/x?rev=-x": "hash '-x' has wrong length",
	} {
		t.Run(link, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Link", "<"+link+`>; rel="immutable"`)
				w.Write(content)
			}))
			defer s.Close()
			_, err := newFetcher(t).Fetch(t.Context(), tarballOf(s.URL+"/latest.tar.gz"), false)
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "'"+link+"': ") {
				t.Errorf("error %v, want %q and the link", err, want)
			}
		})
	}
}

// What is fetched is fetched once, by however many at the same time, and what is pinned needs no network again.
func TestFetchedOnce(t *testing.T) {
	f := newFetcher(t)
	url, requests := serving(t, made(t, member{name: "top/a", content: "A"}))
	var g sync.WaitGroup
	for range 8 {
		g.Go(func() {
			if _, err := f.Fetch(t.Context(), tarballOf(url), false); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	if n := requests.Load(); n != 1 {
		t.Errorf("%d requests", n)
	}
	tree, err := f.Fetch(t.Context(), tarballOf(url), false)
	if err != nil {
		t.Fatal(err)
	}
	gone := tree.Locked.With("url", "http://192.0.2.1/x.tar")
	again, err := f.Fetch(t.Context(), gone, true)
	if err != nil || again.Path != tree.Path || !again.Locked.Equal(gone) {
		t.Errorf("%v, %v", again, err)
	}
}

// After its time, what a URL was is asked for again, and downloaded if it has changed.
func TestETag(t *testing.T) {
	content := gzipped(made(t, member{name: "top/a", content: "A"}))
	etag := `"1"`
	var answers []int
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", etag)
		if r.Header.Get("If-None-Match") == etag {
			answers = append(answers, http.StatusNotModified)
			w.WriteHeader(http.StatusNotModified)
			return
		}
		answers = append(answers, http.StatusOK)
		w.Write(content)
	}))
	defer s.Close()
	f := newFetcher(t)
	f.TTL = -1
	var paths []store.Path
	for i := range 3 {
		if i == 2 {
			etag, content = `"2"`, gzipped(made(t, member{name: "top/a", content: "B"}))
		}
		tree, err := f.Fetch(t.Context(), tarballOf(s.URL+"/x.tar.gz"), false)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, tree.Path)
	}
	if diff := cmp.Diff([]int{200, 304, 200}, answers); diff != "" {
		t.Error(diff)
	}
	if paths[0] != paths[1] || paths[1] == paths[2] {
		t.Error(paths)
	}
}

// Passwords go to the host that they are for, and to no other.
func TestPasswordsAndTokens(t *testing.T) {
	var got []string
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, "other "+r.Header.Get("Authorization")+r.Header.Get("Private-Token"))
		w.Write([]byte("content"))
	}))
	defer other.Close()
	first := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, "first "+r.Header.Get("Authorization"))
		http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
	}))
	defer first.Close()
	f := newFetcher(t)
	f.Netrc = filepath.Join(t.TempDir(), "netrc")
	if err := os.WriteFile(f.Netrc, []byte("# mine\nmachine example.org login no password no\nmachine 127.0.0.1\n  login me\n  password secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.URL(t.Context(), first.URL, "x", store.Hash{}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"first Basic bWU6c2VjcmV0", "other "}, got); diff != "" {
		t.Error(diff)
	}
}

// hosts is a transport to servers that have names.
type hosts map[string]http.HandlerFunc

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) {
	handler, ok := h[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("no host %s", r.URL.Host)
	}
	w := httptest.NewRecorder()
	handler(w, r)
	return w.Result(), nil
}

func TestForges(t *testing.T) {
	const rev = "1234567890123456789012345678901234567890"
	archive := gzipped(made(t, member{name: "repo-123/a", content: "A"}))
	var asked []string
	answers := map[string]string{
		"https://api.github.com/repos/o/r/commits/HEAD":                                   `{"sha": "` + rev + `"}`,
		"https://api.github.com/repos/o/r/commits/feature%2Fx":                            `{"sha": "` + rev + `"}`,
		"https://ghe.example.org/api/v3/repos/o/r/commits/HEAD":                           `{"sha": "` + rev + `"}`,
		"https://gitlab.com/api/v4/projects/o%2Fr/repository/commits?ref_name=HEAD":       `[{"id": "` + rev + `"}]`,
		"https://gitlab.example.org/api/v4/projects/o%2Fr/repository/commits?ref_name=v1": `[{"id": "` + rev + `"}]`,
		"https://gitlab.com/api/v4/projects/o%2Fr/repository/commits?ref_name=none":       `[]`,
		"https://git.sr.ht/~u/r/HEAD":                                                     "ref: refs/heads/main\n",
		"https://git.sr.ht/~u/r/info/refs":                                                strings.Repeat("0", 40) + "\trefs/heads/other\n" + rev + "\trefs/heads/main\n",
	}
	for _, url := range []string{
		"https://github.com/o/r/archive/" + rev + ".tar.gz", "https://api.github.com/repos/o/r/tarball/" + rev, "https://ghe.example.org/api/v3/repos/o/r/tarball/" + rev,
		"https://gitlab.com/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=" + rev, "https://gitlab.example.org/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=" + rev,
		"https://git.sr.ht/~u/r/archive/" + rev + ".tar.gz",
	} {
		answers[url] = string(archive)
	}
	handler := func(w http.ResponseWriter, r *http.Request) {
		auth := r.Header.Get("Authorization")
		if token := r.Header.Get("Private-Token"); token != "" {
			auth = "private " + token
		}
		asked = append(asked, strings.TrimSpace(r.URL.String()+" "+auth))
		answer, ok := answers[r.URL.String()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		io.WriteString(w, answer)
	}
	client := &http.Client{Transport: hosts{"api.github.com": handler, "github.com": handler, "ghe.example.org": handler, "gitlab.com": handler, "gitlab.example.org": handler, "git.sr.ht": handler}}
	for _, c := range []struct {
		url    string
		tokens map[string]string
		want   []string
		fail   string
	}{
		{url: "github:o/r", want: []string{"https://api.github.com/repos/o/r/commits/HEAD", "https://github.com/o/r/archive/" + rev + ".tar.gz"}},
		{url: "github:o/r/" + rev, want: []string{"https://github.com/o/r/archive/" + rev + ".tar.gz"}},
		{url: "github:o/r/feature/x", tokens: map[string]string{"github.com": "T", "github.com/o": "longer"},
			want: []string{"https://api.github.com/repos/o/r/commits/feature%2Fx token longer", "https://api.github.com/repos/o/r/tarball/" + rev + " token longer"}},
		{url: "github:o/r?host=ghe.example.org", tokens: map[string]string{"github.com": "T"}, want: []string{"https://ghe.example.org/api/v3/repos/o/r/commits/HEAD", "https://ghe.example.org/api/v3/repos/o/r/tarball/" + rev}},
		{url: "gitlab:o/r", tokens: map[string]string{"gitlab.com": "PAT:p"},
			want: []string{"https://gitlab.com/api/v4/projects/o%2Fr/repository/commits?ref_name=HEAD private p", "https://gitlab.com/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=" + rev + " private p"}},
		{url: "gitlab:o/r/v1?host=gitlab.example.org", tokens: map[string]string{"gitlab.example.org": "OAuth2:o"},
			want: []string{"https://gitlab.example.org/api/v4/projects/o%2Fr/repository/commits?ref_name=v1 Bearer o", "https://gitlab.example.org/api/v4/projects/o%2Fr/repository/archive.tar.gz?sha=" + rev + " Bearer o"}},
		{url: "gitlab:o/r/none", want: []string{"https://gitlab.com/api/v4/projects/o%2Fr/repository/commits?ref_name=none"}, fail: "it has no commits: does the ref really exist?"},
		{url: "sourcehut:~u/r", want: []string{"https://git.sr.ht/~u/r/HEAD", "https://git.sr.ht/~u/r/info/refs", "https://git.sr.ht/~u/r/archive/" + rev + ".tar.gz"}},
		{url: "sourcehut:~u/r/none", want: []string{"https://git.sr.ht/~u/r/info/refs"}, fail: "couldn't find ref 'none'"},
		{url: "github:o/private", want: []string{"https://api.github.com/repos/o/private/commits/HEAD"}, fail: "is private and needs a token: see access-tokens"},
	} {
		t.Run(c.url, func(t *testing.T) {
			asked = nil
			f := newFetcher(t)
			f.Client, f.Tokens = client, c.tokens
			ref, err := flake.Parse(c.url, false)
			if err != nil {
				t.Fatal(err)
			}
			tree, err := f.Fetch(t.Context(), ref.Attrs, false)
			if c.fail != "" {
				if err == nil || !strings.Contains(err.Error(), c.fail) {
					t.Errorf("error %v, want %q", err, c.fail)
				}
			} else if err != nil {
				t.Fatal(err)
			} else if tree.Locked.String("rev") != rev || tree.Locked.Has("ref") || tree.Locked.NARHash().IsZero() || !tree.Locked.Has("lastModified") {
				t.Errorf("locked to %v", tree.Locked)
			}
			if diff := cmp.Diff(c.want, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A repo is a repository for tests.
type repo struct {
	t   *testing.T
	dir string
}

func newRepo(t *testing.T, dir string) *repo {
	t.Helper()
	r := &repo{t, dir}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("init", "-q")
	return r
}

func (r *repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", r.dir, "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a", "GIT_AUTHOR_DATE=1700000000 +0000",
		"GIT_COMMITTER_DATE=1700000000 +0000", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *repo) commit(file, text string) (rev string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.git("add", "-A")
	r.git("commit", "-qm", "x")
	return r.git("rev-parse", "HEAD")
}

// gitServer serves the repositories below a directory over HTTP, with a password if one is given.
func gitServer(t *testing.T, dir, password string) string {
	t.Helper()
	backend := &cgi.Handler{Path: filepath.Join(strings.TrimSpace(run(t, "git", "--exec-path")), "git-http-backend"), Env: []string{"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1"}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, given, _ := r.BasicAuth(); password != "" && given != password {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		backend.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestGitOverHTTP(t *testing.T) {
	dir := t.TempDir()
	sub := newRepo(t, filepath.Join(dir, "sub"))
	sub.commit("s", "S")
	r := newRepo(t, filepath.Join(dir, "repo"))
	first := r.commit("a", "1")
	second := r.commit("a", "2")
	r.git("tag", "v2")
	r.git("checkout", "-q", "-b", "side", first)
	side := r.commit("b", "side")
	r.git("submodule", "add", "-q", "../sub", "sub")
	with := r.commit("c", "with a submodule")
	r.git("update-ref", "refs/hidden/x", side)
	r.git("checkout", "-q", "main")
	url := gitServer(t, dir, "")
	git := func(more flake.Attrs) flake.Attrs {
		a := flake.Attrs{"type": "git", "url": url + "/repo/.git"}
		for name, v := range more {
			a[name] = v
		}
		return a
	}
	for _, c := range []struct {
		name string
		a    flake.Attrs
		rev  string
		n    int64
		file map[string]string
	}{
		{"the default branch", git(nil), second, 2, map[string]string{"a": "2"}},
		{"a branch", git(flake.Attrs{"ref": "side"}), with, 3, map[string]string{"a": "1", "b": "side", "c": "with a submodule"}},
		{"a tag", git(flake.Attrs{"ref": "refs/tags/v2"}), second, 2, map[string]string{"a": "2"}},
		{"a revision", git(flake.Attrs{"rev": first}), first, 1, map[string]string{"a": "1"}},
		{"a revision of a branch", git(flake.Attrs{"rev": side, "ref": "side"}), side, 2, map[string]string{"a": "1", "b": "side"}},
		{"shallow", git(flake.Attrs{"shallow": true}), second, 0, map[string]string{"a": "2"}},
		{"all refs", git(flake.Attrs{"allRefs": true, "rev": side}), side, 2, map[string]string{"a": "1", "b": "side"}},
		{"submodules", git(flake.Attrs{"ref": "side", "submodules": true}), with, 3, map[string]string{"a": "1", "b": "side", "c": "with a submodule", "sub/s": "S"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFetcher(t)
			tree, err := f.Fetch(t.Context(), c.a, false)
			if err != nil {
				t.Fatal(err)
			}
			files := read(t, tree.Dir)
			delete(files, ".gitmodules")
			if diff := cmp.Diff(c.file, files); diff != "" {
				t.Error(diff)
			}
			n, _ := tree.Locked.Int("revCount")
			if tree.Locked.String("rev") != c.rev || n != c.n || tree.Locked["lastModified"] != int64(1700000000) {
				t.Errorf("locked to %v, want %s, the %dth", tree.Locked, c.rev, c.n)
			}
		})
	}
	f := newFetcher(t)
	none := strings.Repeat("1", 40)
	if _, err := f.Fetch(t.Context(), git(flake.Attrs{"rev": none}), false); err == nil || !strings.Contains(err.Error(), none) {
		t.Error(err)
	}
	if _, err := f.Fetch(t.Context(), git(flake.Attrs{"ref": "none"}), false); err == nil || !strings.Contains(err.Error(), "none") {
		t.Error(err)
	}
}

func TestGitOfOthers(t *testing.T) {
	dir := t.TempDir()
	newRepo(t, filepath.Join(dir, "repo")).commit("a", "A")
	for url, want := range map[string]string{
		gitServer(t, dir, "secret") + "/repo/.git": "the repository is private or does not exist: give git a credential",
		gitServer(t, dir, "") + "/none/.git":       "not found",
		"https://nowhere.invalid/x":                "is there a network?",
		"file://" + dir + "/none":                  "no such file",
		"ext::sh -c true":                          "",
	} {
		_, err := newFetcher(t).Fetch(t.Context(), flake.Attrs{"type": "git", "url": url}, false)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
}

func TestPasswordsAreNotShown(t *testing.T) {
	_, err := newFetcher(t).Fetch(t.Context(), tarballOf("http://me:secret@127.0.0.1:1/x.tar"), false)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "me:xxxxx@127.0.0.1") {
		t.Error(err)
	}
}

// A hook or a monitor that a repository configures does not run.
func TestGitRunsNothingOfTheRepository(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "repo")
	r := newRepo(t, dir)
	r.commit("a", "A")
	ran := filepath.Join(t.TempDir(), "ran")
	monitor := filepath.Join(t.TempDir(), "monitor")
	if err := os.WriteFile(monitor, []byte("#!/bin/sh\ntouch "+ran+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.git("config", "core.fsmonitor", monitor)
	tree, err := newFetcher(t).Fetch(t.Context(), flake.Attrs{"type": "git", "url": "file://" + dir}, false)
	if err != nil || read(t, tree.Dir)["a"] != "A" {
		t.Error(err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the monitor ran")
	}
}

func TestFetchIsCanceled(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer s.Close()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("interrupted")
	time.AfterFunc(50*time.Millisecond, func() { cancel(why) })
	if _, err := newFetcher(t).Fetch(ctx, tarballOf(s.URL), false); !errors.Is(err, why) {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte("x"))
	f.Add(gzipped([]byte("x")))
	f.Fuzz(func(t *testing.T, content []byte) {
		dir := t.TempDir()
		inside := filepath.Join(dir, "x")
		if err := os.Mkdir(inside, 0o755); err != nil {
			t.Fatal(err)
		}
		unpack(bytes.NewReader(content), inside, Limits{Unpacked: 1 << 20, Entries: 100})
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Errorf("outside: %v, %v", entries, err)
		}
	})
}

func TestNetrc(t *testing.T) {
	for _, c := range []struct{ text, login, password string }{
		{"machine h login a password b", "a", "b"},
		{"machine h\n\tlogin a\n\tpassword b\nmachine i login c password d", "a", "b"},
		{"machine i login c password d\ndefault login e password f", "e", "f"},
		{`machine h login "a b" password "c \"d\" \\ \t"`, "a b", "c \"d\" \\ \t"},
		{`machine h login a password ""`, "a", ""},
		{`machine h login a password b"c d`, "a", `b"c`},
		{"machine h login a password \"open\nmachine i", "a", `"open`},
		{"macdef x\nmachine h login no password no\n\nmachine h login a password b", "a", "b"},
		{"# machine h login no password no\nmachine h account x login a password b#c", "a", "b#c"},
	} {
		if login, password := lookUp(c.text, "h"); login != c.login || password != c.password {
			t.Errorf("%s\nhas %q, %q; want %q, %q", c.text, login, password, c.login, c.password)
		}
	}
}

func FuzzNetrc(f *testing.F) {
	f.Add("machine h login a password b\ndefault login c password d\nmacdef x\nfoo\n\n")
	f.Add(`machine h login "a b" password "c\"\\`)
	f.Fuzz(func(t *testing.T, text string) { lookUp(text, "h") })
}
