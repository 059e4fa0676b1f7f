package objectstore

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// at opens a server, and a bucket on it.
func at(t *testing.T, url string, limit time.Duration) map[string]Store {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "fleet")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "word1234")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	stores := map[string]Store{}
	for name, text := range map[string]string{"server": url, "bucket": "s3://fleet?scheme=http&endpoint=" + strings.TrimPrefix(url, "http://")} {
		s, err := Open(text, Options{Authorization: "user:word", Limit: limit})
		if err != nil {
			t.Fatal(err)
		}
		stores[name] = s
	}
	return stores
}

// A redirection to another server is not followed: it would get credentials, or be a request from within the agent's network.
func TestRedirections(t *testing.T) {
	asked := 0
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked++
		t.Errorf("asked: %s %s %v", r.Method, r.URL, r.Header)
	}))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		server := httptest.NewServer(http.RedirectHandler(other.URL+"/secret", status))
		for name, s := range at(t, server.URL, time.Minute) {
			_, err := s.Get(t.Context(), "x", "")
			if err == nil || !strings.Contains(err.Error(), "it redirects to "+other.URL+": where that is the store, name it instead") || errors.Is(err, ErrUnreachable) {
				t.Errorf("%s, %d: %v", name, status, err)
			}
			if err := Write(t.Context(), s, "x", []byte("text"), Condition{}); err == nil {
				t.Errorf("%s, %d: a write was taken", name, status)
			}
		}
		server.Close()
	}
	// On the same server, what has moved is found; a circle ends.
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/here", http.StatusFound)
		case "/here":
			io.WriteString(w, "text")
		default:
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
		}
	}))
	defer server.Close()
	s := at(t, server.URL, time.Minute)["server"]
	if text, _, err := Read(t.Context(), s, "moved", ReadOptions{Limit: 10}); string(text) != "text" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := s.Get(t.Context(), "circle", ""); err == nil || !strings.Contains(err.Error(), "more than 5 times") {
		t.Errorf("a circle: %v", err)
	}
	if asked > 0 {
		t.Errorf("another server was asked %d times", asked)
	}
}

// A store that answers slowly, or never, does not hold its readers and writers for ever.
func TestAStoreThatIsSlowForEver(t *testing.T) {
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut { // which is never read
			<-done
			return
		}
		if strings.HasSuffix(r.URL.Path, "/silent") {
			<-done
			return
		}
		for { // a byte at a time
			if _, err := io.WriteString(w, "x"); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}))
	defer server.Close()
	defer close(done)
	for name, s := range at(t, server.URL, time.Second) {
		for _, key := range []string{"silent", "dripping"} {
			if _, _, err := Read(t.Context(), s, key, ReadOptions{Limit: 1 << 20}); !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: read %s: %v", name, key, err)
			}
		}
		large := io.NewSectionReader(zeros{}, 0, 100<<20) // more than the buffers of a connection
		if name == "server" {
			if err := s.Put(t.Context(), "x", large, large.Size(), Condition{}); !errors.Is(err, ErrUnreachable) {
				t.Errorf("%s: put: %v", name, err)
			}
		}
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { return len(p), nil }

// A description of a store path leads to no other server and to no file of the machine, which Nix would read as root.
func TestNarInfosThatLeadElsewhere(t *testing.T) {
	dir, err := Open("file://"+t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	url, done, err := Serve(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	for line, status := range map[string]int{
		"URL: nar/0abc.nar.zst":                          200,
		"StorePath: /nix/store/x\nURL: nar/0abc.nar.zst": 200,
		"URL: http://169.254.169.254/latest/meta-data":   502,
		"URL: file:///etc/shadow":                        502,
		"URL: /etc/shadow":                               502,
		"URL: ../../x":                                   502,
		"URL: nar/../../x":                               502,
		"URL: nar/x?y":                                   502,
		"URL:http://example.com/x":                       502,
		"URL: nar/x\nURL: http://example.com/x":          502,
		"url: http://example.com/x":                      502,
	} {
		if err := Write(t.Context(), dir, "abc.narinfo", []byte(line+"\nCompression: zstd\n"), Condition{}); err != nil {
			t.Fatal(err)
		}
		resp, err := http.Get(url + "/abc.narinfo")
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || status == 200 && string(text) != line+"\nCompression: zstd\n" {
			t.Errorf("%q: got %s, %q", line, resp.Status, text)
		}
	}
}

// A server that says that it fails says nothing of an object.
func TestAServerInTrouble(t *testing.T) {
	for status, fails := range map[int]bool{500: true, 502: true, 504: true, 400: false, 403: false, 404: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		for name, s := range at(t, server.URL, time.Minute) {
			if _, err := s.Get(t.Context(), "x", ""); Fails(err) != fails {
				t.Errorf("%s, %d: %v", name, status, err)
			}
		}
		server.Close()
	}
}

// The timer of a request that has ended does not go on.
func TestTheGuardOfARequestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g := guardStall(t.Context(), time.Minute)
		g.cancel(nil)
		synctest.Wait()
		g.look() // which had begun
		if g.timer.Stop() {
			t.Error("it looks again")
		}
	})
}
