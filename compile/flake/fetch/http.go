package fetch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"muster/exec/backoff"
	"muster/exec/foreign"
	"muster/exec/ondemand"
)

// A request is something to download.
type request struct {
	url     string
	headers map[string]string // such as access tokens; they are not sent to other hosts
	etag    string            // of what is at hand already
}

// A response is what a server or a file has answered.
type response struct {
	body      io.ReadCloser
	unchanged bool   // what has the request's ETag is current
	etag      string // "" if there is none
	immutable string // the URL that the server says will always be the same
}

// A statusError is an answer that is no content.
type statusError struct {
	url    string
	status int
}

func (e *statusError) Error() string {
	text := fmt.Sprintf("download %s: HTTP status %d (%s)", e.url, e.status, http.StatusText(e.status))
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return text + ": the server wants a password or token: see access-tokens and netrc-file in nix.conf"
	case http.StatusNotFound:
		return text + ": it does not exist, or is private and needs a token: see access-tokens and netrc-file in nix.conf"
	}
	return text
}

// attempts is how often a download is tried.
const attempts = 3

// download opens what a URL points to, of http, https or file.
func (f *Fetcher) download(ctx context.Context, r request) (*response, error) {
	u, err := url.Parse(r.url)
	if err != nil {
		return nil, fmt.Errorf("download %s: it is not a URL", r.url)
	}
	switch u.Scheme {
	case "file":
		return f.open(u)
	case "http", "https":
	default:
		return nil, fmt.Errorf("download %s: want a URL of https, http or file", r.url)
	}
	wait := backoff.Backoff{First: 300 * time.Millisecond, Max: 5 * time.Second, Jitter: true}
	for i := 1; ; i++ {
		answer, err := f.ask(ctx, u, r)
		if err == nil || i == attempts || !worthAnotherTry(ctx, err) {
			return answer, err
		}
		if err := wait.Wait(ctx); err != nil {
			return nil, err
		}
	}
}

// worthAnotherTry reports whether a server may answer otherwise a moment later.
func worthAnotherTry(ctx context.Context, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	var status *statusError
	if errors.As(err, &status) {
		return status.status >= 500 || status.status == http.StatusTooManyRequests || status.status == http.StatusRequestTimeout
	}
	var dns *net.DNSError
	return !(errors.As(err, &dns) && dns.IsNotFound) && !errors.Is(err, syscall.ECONNREFUSED)
}

// open opens a local file.
func (f *Fetcher) open(u *url.URL) (*response, error) {
	if !path.IsAbs(u.Path) {
		return nil, fmt.Errorf("open %s: want file: and an absolute path", u)
	}
	info, err := os.Stat(u.Path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open %s: it cannot be read: %w", u.Path, err)
	case info.IsDir():
		return nil, fmt.Errorf("open %s: it is a directory and not a file; for a git repository, say git+file", u.Path)
	}
	file, err := foreign.Open(u.Path, foreign.Limits{Size: f.limits().Download, Links: true})
	if err != nil {
		return nil, err
	}
	return &response{body: file}, nil
}

var immutableLink = ondemand.Regexp(`<([^>]*)>; *rel="immutable"`)

// ask sends one request.
func (f *Fetcher) ask(ctx context.Context, u *url.URL, r request) (*response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	stall := time.AfterFunc(f.limits().Stall, func() { cancel(fmt.Errorf("the server has sent nothing for %v", f.limits().Stall)) })
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "muster")
	for name, value := range r.headers {
		req.Header.Set(name, value)
	}
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	if req.Header.Get("Authorization") == "" && u.User == nil {
		login, password, err := f.credentials(u.Hostname())
		if err != nil {
			return nil, err
		}
		if login != "" || password != "" {
			req.SetBasicAuth(login, password)
		}
	}
	answer, err := f.httpClient().Do(req)
	shown := u.Redacted()
	if err != nil {
		stall.Stop()
		defer cancel(nil)
		return nil, fmt.Errorf("download %s: %w", shown, explained(ctx, err))
	}
	body := &boundedBody{body: answer.Body, ctx: ctx, cancel: cancel, stall: stall, limits: f.limits(), url: shown, left: f.limits().Download, want: answer.ContentLength}
	switch {
	case answer.StatusCode == http.StatusNotModified && r.etag != "":
		body.Close()
		return &response{unchanged: true}, nil
	case answer.StatusCode != http.StatusOK:
		body.Close()
		return nil, &statusError{shown, answer.StatusCode}
	}
	got := &response{body: body, etag: answer.Header.Get("ETag")}
	for _, link := range answer.Header.Values("Link") {
		if m := immutableLink().FindStringSubmatch(link); m != nil {
			got.immutable = m[1]
		}
	}
	return got, nil
}

// explained says in plain words why a server cannot be reached.
func explained(ctx context.Context, err error) error {
	var dns *net.DNSError
	var wrong *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var wrapped *url.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &dns):
		return fmt.Errorf("the host %s is not found: is there a network? %v", dns.Name, dns.Err)
	case errors.As(err, &wrong), errors.As(err, &unknown):
		return fmt.Errorf("the server's certificate is not trusted: %w", err)
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return fmt.Errorf("there is no network: %w", err)
	case errors.As(err, &wrapped):
		return wrapped.Err
	}
	return err
}

// A boundedBody is the body of an answer. It ends with an error if there is more than a limit, less than the server has
// announced, or nothing for too long.
type boundedBody struct {
	body       io.ReadCloser
	ctx        context.Context
	cancel     context.CancelCauseFunc
	stall      *time.Timer
	limits     Limits
	url        string
	left, want int64
	read       int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.stall.Reset(b.limits.Stall)
	b.read += int64(n)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("download %s: it has more than %d bytes", b.url, b.limits.Download)
	}
	if err != nil && err != io.EOF {
		if cause := context.Cause(b.ctx); cause != nil {
			err = cause
		}
		return n, fmt.Errorf("download %s: it breaks off after %d bytes: %w", b.url, b.read, err)
	}
	return n, err
}

func (b *boundedBody) Close() error {
	b.stall.Stop()
	b.cancel(nil)
	return b.body.Close()
}

const maxRedirects = 20

func (f *Fetcher) httpClient() *http.Client {
	f.once.Do(func() {
		if f.client = f.Client; f.client == nil {
			t := http.DefaultTransport.(*http.Transport).Clone()
			t.DisableCompression = true // an archive is what the server has
			t.ResponseHeaderTimeout = f.limits().Stall
			f.client = &http.Client{Transport: t}
		}
		if f.client.CheckRedirect == nil {
			f.client.CheckRedirect = redirect
		}
	})
	return f.client
}

// redirect follows a redirection. Tokens stay with the host that they are for, and https stays https.
func redirect(req *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirections", maxRedirects)
	}
	first := via[0]
	if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || first.URL.Scheme == "https") {
		return fmt.Errorf("redirected from %s to %s, which is refused", first.URL.Redacted(), req.URL.Redacted())
	}
	if req.URL.Host == first.URL.Host {
		return nil
	}
	for name := range req.Header {
		switch strings.ToLower(name) {
		case "user-agent", "if-none-match", "referer":
		default:
			req.Header.Del(name)
		}
	}
	return nil
}
