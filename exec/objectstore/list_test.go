package objectstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"muster/exec/lab/objectlab"
)

// Every kind of store lists its objects and removes some.
func TestListAndRemove(t *testing.T) {
	stores(t, func(t *testing.T, s Store) {
		if got, err := List(t.Context(), s); err != nil || len(got) != 0 {
			t.Fatalf("an empty store: %v, %v", got, err)
		}
		began := time.Now().Add(-time.Minute)
		all := []string{"a.narinfo", "b c+d.narinfo", "muster/release.json", "muster/releases/1-aa/gates/1.json", "muster/releases/1-aa/host/ö.json", "nar/x.nar.zst", "muster/reports/web1.json"}
		for i, key := range all {
			if err := Write(t.Context(), s, key, []byte(strings.Repeat("x", i)), Condition{}); err != nil {
				t.Fatal(err)
			}
		}
		listed := func() (keys []string) {
			t.Helper()
			entries, err := List(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.HasSuffix(e.Key, ".muster-lock") {
					continue
				}
				keys = append(keys, e.Key)
				if want := slices.Index(all, e.Key); e.Size != int64(want) || e.Modified.Before(began) || e.Modified.After(time.Now().Add(time.Minute)) {
					t.Errorf("%+v, want %d bytes and a time of now", e, want)
				}
			}
			return keys
		}
		if diff := cmp.Diff(slices.Sorted(slices.Values(all)), listed()); diff != "" {
			t.Errorf("list (-want +got):\n%s", diff)
		}
		gone := []string{"b c+d.narinfo", "muster/releases/1-aa/gates/1.json", "muster/releases/1-aa/host/ö.json", "nar/never.nar.zst"}
		for range 2 { // those that are not there are no error
			if err := Remove(t.Context(), s, gone); err != nil {
				t.Fatal(err)
			}
		}
		left := slices.DeleteFunc(slices.Sorted(slices.Values(all)), func(key string) bool { return slices.Contains(gone, key) })
		if diff := cmp.Diff(left, listed()); diff != "" {
			t.Errorf("what is left (-want +got):\n%s", diff)
		}
		if err := Remove(t.Context(), s, []string{"../x"}); err == nil {
			t.Error("a key that leads out of the store was removed")
		}
		for dir, there := range map[string]bool{"muster/releases/1-aa": false, "muster/releases": true} {
			root := ""
			switch s := s.(type) {
			case directory:
				root = s.dir
			case *folder:
				root = s.dir
			default:
				continue
			}
			if _, err := os.Stat(root + "/" + dir); (err == nil) != there {
				t.Errorf("%s: %v, want it there: %v", dir, err, there)
			}
		}
	})
}

// The root of a server is listed as any other collection of it.
func TestListOfARoot(t *testing.T) {
	server := httptest.NewServer(objectlab.New(""))
	defer server.Close()
	s, err := Open(server.URL, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"a.narinfo", "muster/release.json"} {
		if err := Write(t.Context(), s, key, []byte("x"), Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := List(t.Context(), s)
	if err != nil || len(got) != 2 || got[0].Key != "a.narinfo" || got[1].Key != "muster/release.json" {
		t.Errorf("%+v, %v", got, err)
	}
}

// What servers answer that have no list, or lie, is an error and never a list that is too short.
func TestListsOfOddServers(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "fleet")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "word1234")
	page := func(rest string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "<ListBucketResult><Contents><Key>a</Key><Size>1</Size><LastModified>2026-11-30T00:00:00Z</LastModified></Contents>%s</ListBucketResult>", rest)
		}
	}
	status := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	for _, tt := range []struct {
		name string
		s3   bool
		http.HandlerFunc
		err string
	}{
		{"a server that only takes PUT", false, status(405, ""), "it does not list its objects: PROPFIND: it answers 405"},
		{"a server of files", false, status(501, "Unsupported method"), "it does not list its objects: PROPFIND: it answers 501"},
		{"one that is broken", false, status(500, ""), "it answers 500"},
		{"one that answers PROPFIND as GET", false, status(200, "<html>"), "it does not list its objects"},
		{"no right to list", false, status(403, ""), "credentials are missing or do not allow this"},
		{"a list that ends in the middle", false, status(207, `<multistatus xmlns="DAV:"><response><href>/fleet/a</href>`), "read the list: XML syntax error"},
		{"no XML", false, status(207, `hello`), "its answer has no response"},
		{"another's hrefs", false, status(207, `<multistatus xmlns="DAV:"><response><href>/elsewhere/a</href></response><response><href>http://h/fleet/../x</href></response></multistatus>`), ""},
		{"a collection within itself", false, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(207)
			fmt.Fprintf(w, `<multistatus xmlns="DAV:"><response><href>%sx/</href><propstat><prop><resourcetype><collection/></resourcetype></prop></propstat></response></multistatus>`, r.URL.Path)
		}, ""},
		{"one page", true, page("<IsTruncated>false</IsTruncated>"), ""},
		{"the same page for ever", true, page("<IsTruncated>true</IsTruncated><NextContinuationToken>a</NextContinuationToken>"), "the list does not end"},
		{"more pages, and no token", true, page("<IsTruncated>true</IsTruncated>"), "the list does not end"},
		{"a bucket that is not listed", true, status(403, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"), "no (AccessDenied)"},
		{"no list", true, status(200, "<html></html>"), "it does not list its objects"},
		{"half a page", true, status(200, "<ListBucketResult><Contents><Key>a</Key>"), "read the list: XML syntax error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt)
			defer server.Close()
			at := server.URL + "/fleet"
			if tt.s3 {
				at = "s3://fleet?scheme=http&endpoint=" + strings.TrimPrefix(server.URL, "http://")
			}
			s, err := Open(at, Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = List(t.Context(), s)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Errorf("%v, want %q", err, tt.err)
			}
		})
	}
	if _, err := List(t.Context(), struct{ Store }{directory{"/"}}); !errors.Is(err, ErrNoListing) {
		t.Errorf("a store without a list: %v", err)
	}
}

// A folder whose list ends in the middle has no list.
func TestAListOfAFolderThatBreaksOff(t *testing.T) {
	for _, text := range []string{"muster-object list\n", "muster-object list\n1 2 a\x00", "muster-object list\n1 2", "muster-object list\nend\x00", "muster-object list\nx y z\x00end"} {
		s, err := Open("ssh://web1/srv", Options{Connect: func(context.Context, *url.URL) (Shell, error) { return brokenShell{text}, nil }})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := List(context.Background(), s); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}
