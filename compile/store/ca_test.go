package store

import (
	"strings"
	"testing"
)

func TestContentAddress(t *testing.T) {
	dep := Path(Dir + "/" + strings.Repeat("0", 32) + "-dep")
	text, _ := TextPath("t", "hello", []Path{dep})
	nar := HashString(SHA256, "nar")
	tree, _ := SourcePath("t", nar, []Path{dep}, true)
	md5 := HashString(MD5, "x")
	flat, _ := FixedPath("t", md5, false)
	tests := []struct {
		ca   string
		refs []Path
		self bool
		want Path
	}{
		{TextCA("hello"), []Path{dep}, false, text},
		{FixedCA(nar, true), []Path{dep}, true, tree},
		{FixedCA(md5, false), nil, false, flat},
		{TextCA("hello"), nil, true, ""},
		{FixedCA(md5, false), []Path{dep}, false, ""},
		{FixedCA(md5, true), nil, true, ""},
	}
	for _, tt := range tests {
		c, err := ParseCA(tt.ca)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := c.Path("t", tt.refs, tt.self)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: got %q, %v, want %q", tt.ca, got, err, tt.want)
		}
	}
	for _, s := range []string{"", "text:", "text:md5:" + md5.Base32(), "fixed:r:", "fixed:sha256:zz", "git:sha1:x"} {
		if c, err := ParseCA(s); err == nil {
			t.Errorf("%q: got %v", s, c)
		}
	}
}
