package objectstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"muster/exec/lab/objectlab"
)

// stores are the kinds of store that need no server of others.
func stores(t *testing.T, test func(t *testing.T, s Store)) {
	t.Run("directory", func(t *testing.T) {
		s, err := Open("file://"+t.TempDir(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
	t.Run("server", func(t *testing.T) {
		server := httptest.NewServer(objectlab.New("user:word"))
		defer server.Close()
		s, err := Open(server.URL+"/fleet", Options{Authorization: "user:word"})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
	t.Run("bucket", func(t *testing.T) {
		server := httptest.NewServer(signed(t, objectlab.New("")))
		defer server.Close()
		t.Setenv("AWS_ACCESS_KEY_ID", "fleet")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "word1234")
		s, err := Open("s3://fleet/some%20dir?scheme=http&endpoint="+strings.TrimPrefix(server.URL, "http://"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
	t.Run("folder", func(t *testing.T) {
		s, err := Open("ssh://web1"+t.TempDir(), Options{Connect: here})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
	if *gateway == "" {
		return
	}
	t.Run("versitygw", func(t *testing.T) {
		t.Setenv("AWS_ACCESS_KEY_ID", "fleet")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "word1234")
		s, err := Open("s3://fleet/some%20dir+?scheme=http&endpoint="+serveS3(t), Options{})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
}

// Readers beside a writer see one object or the next: the ETag is that of the text, and nothing fails meanwhile.
func TestReadersBesideAWriter(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		put := func(n int) {
			if err := Write(t.Context(), s, "head.json", bytes.Repeat([]byte("x"), n), Condition{}); err != nil {
				t.Error(err)
			}
		}
		put(1)
		written := make(chan struct{})
		go func() {
			defer close(written)
			for n := range 50 {
				put(n + 2)
			}
		}()
		defer func() { <-written }()
		lengths := map[string]int{}
		for reading := true; reading; {
			select {
			case <-written:
				reading = false
			default:
			}
			text, etag, err := Read(t.Context(), s, "head.json", ReadOptions{Limit: 1 << 10})
			if err != nil {
				t.Fatal(err)
			}
			if n, seen := lengths[etag]; seen && n != len(text) {
				t.Fatalf("ETag %s: %d bytes, and %d", etag, n, len(text))
			}
			lengths[etag] = len(text)
		}
	})
}

// The ETag of a file that was replaced while it was read is not that of the next one.
func TestETagOfAFileThatIsReplaced(t *testing.T) {
	dir := t.TempDir()
	s, err := Open("file://"+dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	replace := func(n int) {
		if err := errors.Join(os.WriteFile(dir+"/next", make([]byte, n), 0o644), os.Rename(dir+"/next", dir+"/x")); err != nil {
			t.Error(err)
		}
	}
	replace(1)
	written := make(chan struct{})
	go func() {
		defer close(written)
		for n := range 300 {
			replace(n + 2)
		}
	}()
	defer func() { <-written }()
	for reading := true; reading; {
		select {
		case <-written:
			reading = false
		default:
		}
		text, etag, err := Read(t.Context(), s, "x", ReadOptions{Limit: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(etag, fmt.Sprintf("-%x-", len(text))) { // the size is a part
			t.Fatalf("%d bytes with the ETag %s", len(text), etag)
		}
	}
}

var gateway = flag.String("s3", "", "read and write objects through this versitygw `program`, too")

// serveS3 starts versitygw with a bucket named fleet, and returns where it listens.
func serveS3(t *testing.T) (address string) {
	dir := t.TempDir()
	if err := os.Mkdir(dir+"/fleet", 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	cmd := exec.Command(*gateway, "--access", "fleet", "--secret", "word1234", "--port", address, "posix", "--sidecar", t.TempDir(), dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return address
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal("versitygw does not listen")
	return ""
}

// signed serves requests that are signed as S3 wants it. Whether signatures are right is seen
// by versitygw in the test of pull.
func signed(t *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err == nil && r.Header.Get("X-Amz-Content-Sha256") != fmt.Sprintf("%x", sha256.Sum256(body)) {
			t.Errorf("%s %s: the sum of the body is %q", r.Method, r.URL, r.Header.Get("X-Amz-Content-Sha256"))
		}
		if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=fleet/") ||
			!strings.HasPrefix(r.URL.Path, "/fleet/some dir/") && r.URL.Query().Get("prefix") != "some dir/" {
			t.Errorf("%s %s: %v", r.Method, r.URL, r.Header)
		}
		next.ServeHTTP(w, r)
	})
}

// What a store has no time for is asked again; what S3 says in XML is read.
func TestBusyAndRefusing(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "fleet")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "word1234")
	var status, asked int
	var answer string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		body, _ := io.ReadAll(r.Body)
		switch {
		case asked < 3:
			w.WriteHeader(http.StatusServiceUnavailable)
		case status == 0 && string(body) != "one":
			t.Errorf("the body became %q", body)
		case status != 0:
			w.WriteHeader(status)
			io.WriteString(w, answer)
		}
	}))
	defer server.Close()
	for _, url := range []string{server.URL, "s3://fleet?scheme=http&endpoint=" + strings.TrimPrefix(server.URL, "http://")} {
		s, err := Open(url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		status, asked = 0, 0
		if err := Write(t.Context(), s, "x", []byte("one"), Condition{}); err != nil || asked != 3 {
			t.Errorf("%s: %v after %d requests", url, err, asked)
		}
	}
	s, err := Open("s3://fleet?scheme=http&endpoint="+strings.TrimPrefix(server.URL, "http://"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		status       int
		answer, want string
	}{
		{404, "<Error><Code>NoSuchKey</Code><Message>no</Message></Error>", ErrNotFound.Error()},
		{404, "<Error><Code>NoSuchBucket</Code><Message>The bucket is not there</Message></Error>", "The bucket is not there (NoSuchBucket)"},
		{403, "<Error><Code>AccessDenied</Code></Error>", "Forbidden (AccessDenied)"},
		{502, "<html>Bad gateway</html>", "the store is in trouble: it answers 502 Bad Gateway"},
		{409, "<Error><Code>ConditionalRequestConflict</Code></Error>", ErrConflict.Error()},
	} {
		status, answer, asked = c.status, c.answer, 3
		if _, err := s.Get(t.Context(), "x", ""); err == nil || err.Error() != c.want {
			t.Errorf("%d %s: got %v, want %s", c.status, c.answer, err, c.want)
		}
	}
}

func TestObjects(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		read := func(etag string) (string, string, error) {
			text, tag, err := Read(ctx, s, "a/b.json", ReadOptions{Limit: 100, ETag: etag})
			return string(text), tag, err
		}
		if _, _, err := read(""); !errors.Is(err, ErrNotFound) {
			t.Errorf("no object: %v", err)
		}
		write := func(text string, c Condition) error { return Write(ctx, s, "a/b.json", []byte(text), c) }
		if err := write("one", Condition{Absent: true}); err != nil {
			t.Fatal(err)
		}
		if err := write("two", Condition{Absent: true}); !errors.Is(err, ErrConflict) {
			t.Errorf("there is one already: %v", err)
		}
		text, first, err := read("")
		if text != "one" || first == "" || err != nil {
			t.Errorf("%q, %q, %v", text, first, err)
		}
		if _, _, err := read(first); !errors.Is(err, ErrNotModified) {
			t.Errorf("not modified: %v", err)
		}
		if err := write("two", Condition{Match: first}); err != nil {
			t.Error(err)
		}
		if err := write("three", Condition{Match: first}); !errors.Is(err, ErrConflict) {
			t.Errorf("another ETag: %v", err)
		}
		if text, _, err := read(first); text != "two" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
		if err := write(strings.Repeat("x", 101), Condition{}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := read(""); err == nil || !strings.Contains(err.Error(), "longer than 100 bytes") {
			t.Errorf("too large: %v", err)
		}
	})
}

// A writer that stops in the middle leaves the former object.
func TestHalfAPutChangesNothing(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		ctx := t.Context()
		if err := Write(ctx, s, "x", []byte("whole"), Condition{}); err != nil {
			t.Fatal(err)
		}
		broken := io.NewSectionReader(brokenReader{}, 0, 1000)
		if err := s.Put(ctx, "x", broken, 1000, Condition{}); err == nil {
			t.Error("half a body was taken")
		}
		if text, _, err := Read(ctx, s, "x", ReadOptions{Limit: 10}); string(text) != "whole" || err != nil {
			t.Errorf("%q, %v", text, err)
		}
	})
}

type brokenReader struct{}

func (brokenReader) ReadAt(p []byte, at int64) (int, error) {
	if at > 0 {
		return 0, errors.New("power cut")
	}
	return copy(p, "half"), nil
}

func TestKeysStayInside(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		for _, key := range []string{"", "../x", "/etc/passwd", "a/../../x", "a//b", "a?b", ".."} {
			if _, err := s.Get(t.Context(), key, ""); err == nil || errors.Is(err, ErrNotFound) {
				t.Errorf("get %q: %v", key, err)
			}
			if err := s.Put(t.Context(), key, bytes.NewReader(nil), 0, Condition{}); err == nil {
				t.Errorf("put %q", key)
			}
		}
	})
	dir := t.TempDir()
	s, err := Open("file://"+dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "link", ""); err == nil {
		t.Error("a link was followed")
	}
}

func TestURLs(t *testing.T) {
	for _, url := range []string{"file:///srv/x", "https://example.com/x", "http://u:p@example.com", "s3://fleet?endpoint=h:9000&scheme=http&region=r", "s3://fleet/prefix", "ssh://web1/srv/fleet", "ssh://deploy@[::1]:2222/srv/fleet/"} {
		if _, err := Open(url, Options{}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"", "x", "ftp://h/x", "file://h/x", "file:x", "https:///x", "s3://", "s3://fleet?scheme=ftp", "s3://fleet?endpoint=h/x", "s3://b", "https://h/x?y=z", "https://h/#x", "ssh:///srv", "ssh://web1", "ssh://web1/", "ssh://u:p@web1/srv", "ssh://-oProxyCommand=x/srv", "ssh://web1/srv?x=y"} {
		if _, err := Open(url, Options{}); err == nil {
			t.Errorf("%s: it was taken", url)
		}
	}
	s, err := Open("https://user:secret@example.com/x", Options{})
	if err != nil || strings.Contains(s.String(), "secret") {
		t.Errorf("%v, %v", s, err)
	}
}

// A program of this machine reads the store by the URL of Serve, and nothing else does.
func TestServe(t *testing.T) {
	dir, err := Open("file://"+t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), dir, "nar/x", []byte("content"), Condition{}); err != nil {
		t.Fatal(err)
	}
	url, done, err := Serve(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	at := func(url string) (int, string) {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(text)
	}
	if status, text := at(url + "/nar/x"); status != 200 || text != "content" {
		t.Errorf("%d %q", status, text)
	}
	if status, _ := at(url + "/nar/y"); status != 404 {
		t.Errorf("no object: %d", status)
	}
	if status, _ := at(url[:strings.LastIndexByte(url, '/')] + "/nar/x"); status != 404 {
		t.Errorf("without the word: %d", status)
	}
}

func TestAStoreThatIsAway(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for _, url := range []string{server.URL, "s3://fleet?scheme=http&endpoint=" + strings.TrimPrefix(server.URL, "http://")} {
		t.Setenv("AWS_ACCESS_KEY_ID", "a")
		t.Setenv("AWS_SECRET_ACCESS_KEY", "b")
		s, err := Open(url, Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := s.Get(ctx, "x", ""); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s: %v", url, err)
		}
		cancel()
	}
}

func FuzzURL(f *testing.F) {
	f.Add("s3://fleet?endpoint=h:9000&scheme=http", "nar/x")
	f.Add("https://user:word@example.com/x", "../x")
	f.Fuzz(func(t *testing.T, url, key string) {
		s, err := Open(url, Options{})
		if err == nil && s.String() == "" {
			t.Errorf("%q has no name", url)
		}
		if checkKey(key) == nil && !filepath.IsLocal(key) {
			t.Errorf("%q leads out", key)
		}
	})
}
