package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"muster/exec/foreign"
)

// Serve lets programs of this machine, such as Nix, read a store by HTTP at the URL that it returns, until done is called. So
// one client has the credentials and speaks to every kind of store. The URL has a random word in it, which other users of the
// machine do not know.
func Serve(s Store) (url string, done func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("serve %s to this machine: %w", s, err)
	}
	word := make([]byte, 16)
	rand.Read(word)
	prefix := "/" + hex.EncodeToString(word) + "/"
	server := &http.Server{
		Handler:           http.StripPrefix(prefix, reader{s}),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	go server.Serve(l)
	return "http://" + l.Addr().String() + strings.TrimSuffix(prefix, "/"), func() { server.Close() }, nil
}

// A reader answers requests with the objects of a store.
type reader struct{ store Store }

func (h reader) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "read only", http.StatusMethodNotAllowed)
		return
	}
	obj, err := h.store.Get(r.Context(), r.URL.Path, "")
	if err != nil {
		http.Error(w, err.Error(), statusOf(r.Context(), err))
		return
	}
	defer obj.Body.Close()
	if strings.HasSuffix(r.URL.Path, narInfo) {
		text, err := foreign.ReadAll(obj.Body, "it", maxNarInfo)
		if err == nil {
			err = staysInside(text)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		obj.Body, obj.Size = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	}
	if obj.Size >= 0 {
		w.Header().Set("Content-Length", strconv.FormatInt(obj.Size, 10))
	}
	if r.Method == http.MethodHead {
		return
	}
	if _, err := io.Copy(w, obj.Body); err != nil {
		panic(http.ErrAbortHandler) // the reader must not take it for the end
	}
}

// narInfo ends the keys of the descriptions of store paths, which have a line with the URL of the archive. Nobody signs that
// line, and Nix follows it to any server and to files of the machine.
const (
	narInfo    = ".narinfo"
	maxNarInfo = 1 << 20
)

// staysInside refuses a description whose archive is not an object of the store.
func staysInside(text []byte) error {
	for line := range bytes.Lines(text) {
		if key, value, _ := strings.Cut(strings.TrimRight(string(line), "\r\n"), ":"); strings.EqualFold(strings.TrimSpace(key), "url") {
			if url := strings.TrimSpace(value); checkKey(url) != nil || strings.Contains(url, ":") {
				return fmt.Errorf("its archive is not in the store: URL %.200q", url)
			}
		}
	}
	return nil
}

// statusOf is the status of an answer without an object. Nix tries again after one that begins with 5.
func statusOf(ctx context.Context, err error) int {
	switch {
	case errors.Is(err, ErrNotFound):
		return http.StatusNotFound
	case ctx.Err() != nil:
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}
