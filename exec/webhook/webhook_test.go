package webhook

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestErrorsNameNoToken(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	for _, target := range []string{server.URL + "/hooks/t0ken?key=t0ken", strings.Replace(server.URL, "http://", "http://ann:t0ken@", 1) + "/x", "http://127.0.0.1:1/t0ken", "http://[::1/t0ken"} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := Post(ctx, target, nil, nil)
		cancel()
		if err == nil || strings.Contains(err.Error(), "t0ken") {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// A server that is busy, or fails, is asked again; one that refuses is not.
func TestWhatIsTriedAgain(t *testing.T) {
	for status, want := range map[int]int{http.StatusServiceUnavailable: tries, http.StatusTooManyRequests: tries, http.StatusForbidden: 1, http.StatusTemporaryRedirect: 1} {
		asked := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		}))
		if err := Post(t.Context(), server.URL, nil, []byte("{}")); err == nil || asked != want {
			t.Errorf("%d: %v after %d requests, want %d", status, err, asked, want)
		}
		server.Close()
	}
}
