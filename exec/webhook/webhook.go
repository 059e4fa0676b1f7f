// Package webhook posts JSON to servers that users name, such as those of chats, collectors of traces, and inboxes of reports.
//
//	err := webhook.Post(ctx, "https://hooks.example.com/T0/B0/secret", nil, text)
//
// The URL may hold a token: no error has more of it than the server.
package webhook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"muster/exec/backoff"
)

const (
	tries       = 4
	oneTry      = 10 * time.Second // for one request and its answer
	mostIgnored = 64 << 10         // of an answer, in bytes
)

// ErrRejected says that a server takes this text never, whenever it is sent again.
var ErrRejected = errors.New("the server does not take this text")

// client follows no redirection: what is sent is for the server that the user named.
var client = &http.Client{Timeout: oneTry, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// Post sends JSON to a URL. It tries again where the server is not there, is busy or fails.
// An error has the server and not the URL, which may hold a token; it is an [ErrRejected] where the server finds fault with the
// text itself.
func Post(ctx context.Context, target string, headers map[string]string, body []byte) error {
	wait := backoff.Backoff{First: 200 * time.Millisecond, Max: 2 * time.Second, Jitter: true}
	for try := 1; ; try++ {
		again, err := postOnce(ctx, target, headers, body)
		if err == nil {
			return nil
		}
		if !again || try == tries || wait.Wait(ctx) != nil {
			return fmt.Errorf("POST to %s: %w", Server(target), err)
		}
	}
}

func postOnce(ctx context.Context, target string, headers map[string]string, body []byte) (again bool, err error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("not a URL")
	}
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("User-Agent", "muster")
	for name, value := range headers {
		q.Header.Set(name, value)
	}
	r, err := client.Do(q)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	if err != nil {
		return true, err
	}
	defer r.Body.Close()
	io.Copy(io.Discard, io.LimitReader(r.Body, mostIgnored))
	if r.StatusCode < 300 {
		return false, nil
	}
	switch r.StatusCode {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return false, fmt.Errorf("%w: %s", ErrRejected, r.Status)
	}
	return r.StatusCode == http.StatusTooManyRequests || r.StatusCode >= 500, errors.New(r.Status)
}

// Server is the server of a URL, as messages name it.
func Server(target string) string {
	u, err := url.Parse(target)
	if err != nil {
		return "the server"
	}
	return u.Scheme + "://" + u.Host
}
