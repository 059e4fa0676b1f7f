package exec

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"muster/schema"
)

// A check of HTTP sends its headers, and takes any certificate only where it says so.
func TestHTTPChecks(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "www.example.org" || r.Header.Get("X-Probe") != "a b" {
			w.WriteHeader(http.StatusTeapot)
		}
		fmt.Fprintln(w, "hello")
	}))
	defer server.Close()
	server.Config.ErrorLog = nil
	headers := []schema.Header{{Name: "host", Value: "www.example.org"}, {Name: "X-Probe", Value: "a b"}}
	k := checker{conn: &connection{host: &schema.Host{Name: "web"}}, most: time.Minute}
	for _, tt := range []struct {
		check schema.Check
		want  string
	}{
		{schema.Check{Headers: headers, Insecure: true}, ""},
		{schema.Check{Headers: headers[:1], Insecure: true}, "it answers 418"},
		{schema.Check{Headers: headers[:1], Insecure: true, Status: 418}, ""},
		{schema.Check{Insecure: true}, "it answers 418"},
		{schema.Check{Headers: headers}, "certificate"},
	} {
		c := tt.check
		c.HTTP, c.FromHere, c.Timeout = server.URL, true, time.Minute
		err := k.check(t.Context(), &c)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v", tt.check, err)
		}
	}
}
