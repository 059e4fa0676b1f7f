package objectstore

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	for _, url := range []string{"file:///srv/x", "https://example.com/x", "http://u:p@example.com", "s3://b?endpoint=h:9000&scheme=http&region=r", "s3://b/prefix"} {
		if _, err := Open(url, Options{}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, url := range []string{"", "x", "ftp://h/x", "file://h/x", "file:x", "https:///x", "s3://", "s3://b?scheme=ftp", "https://h/x?y=z", "https://h/#x"} {
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
