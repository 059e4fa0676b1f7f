package store

import (
	"bytes"
	"strings"
	"testing"
)

// The hashes of "abc".
const (
	abcBase16 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	abcBase32 = "1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"
	abcBase64 = "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
)

func TestParseHash(t *testing.T) {
	abc := HashString(SHA256, "abc")
	tests := []struct {
		name string
		text string
		want Algo
		err  string
	}{
		{"base 16", abcBase16, SHA256, ""},
		{"base 16 in capitals", strings.ToUpper(abcBase16), SHA256, ""},
		{"base 32", abcBase32, SHA256, ""},
		{"base 64", abcBase64, SHA256, ""},
		{"base 16 with algorithm", "sha256:" + abcBase16, "", ""},
		{"base 32 with algorithm", "sha256:" + abcBase32, "", ""},
		{"base 64 with algorithm", "sha256:" + abcBase64, SHA256, ""},
		{"SRI", "sha256-" + abcBase64, "", ""},
		{"SRI of a known algorithm", "sha256-" + abcBase64, SHA256, ""},
		{"no algorithm", abcBase16, "", "does not include an algorithm"},
		{"another algorithm", "sha256:" + abcBase16, SHA1, "want a sha1 hash"},
		{"unknown algorithm", "sha3:" + abcBase16, "", `unknown hash algorithm "sha3"`},
		{"SRI in base 16", "sha256-" + abcBase16, "", "48 bytes"},
		{"SRI without padding", "sha256-" + strings.TrimRight(abcBase64, "="), "", ""},
		{"SRI with something behind it", "sha256-" + abcBase64 + "=?", "", ""},
		{"SRI with left-over bits", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa1", "", ""},
		{"SRI too long", "sha256-" + strings.TrimRight(abcBase64, "=") + "A", "", "33 bytes"},
		{"SRI of nothing", "sha256-", "", "0 bytes"},
		{"base 64 without padding", "sha256:" + strings.TrimRight(abcBase64, "="), "", "wrong length"},
		{"SRI with a line break", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa\n0=", "", ""},
		{"SRI with a carriage return", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa\r0=", "", "not base 64"},
		{"empty", "", SHA256, "wrong length"},
		{"one short", abcBase16[1:], SHA256, "wrong length"},
		{"not base 16", "g" + abcBase16[1:], SHA256, "not base 16"},
		{"not base 32", "e" + abcBase32[1:], SHA256, "not a digit"},
		{"too many bits", "z" + abcBase32[1:], SHA256, "too large"},
		{"not base 64", "*" + abcBase64[1:], SHA256, "not base 64"},
		{"line break in base 64", "sha256-ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa\n=", "", "31 bytes"},
		{"length of another algorithm", "md5:" + abcBase16, "", "wrong length"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := ParseHash(tt.text, tt.want)
			if tt.err == "" {
				if err != nil || h != abc {
					t.Errorf("got %v, %v", h, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, %v, want an error with %q", h, err, tt.err)
			}
		})
	}
}

func TestNewHashWantsTheRightLength(t *testing.T) {
	if h, err := NewHash(SHA1, make([]byte, 32)); err == nil {
		t.Errorf("got %v", h)
	}
	if h, err := NewHash("", nil); err == nil {
		t.Errorf("got %v", h)
	}
}

func FuzzParseHash(f *testing.F) {
	f.Add("sha256:"+abcBase32, "")
	f.Add("sha256-"+abcBase64, "sha256")
	f.Add("d41d8cd98f00b204e9800998ecf8427e", "md5")
	f.Fuzz(func(t *testing.T, s, want string) {
		h, err := ParseHash(s, Algo(want))
		if err != nil {
			return
		}
		for _, spelling := range []string{h.String(), h.SRI(), string(h.Algo()) + ":" + h.Base16(), string(h.Algo()) + ":" + h.Base64()} {
			if back, err := ParseHash(spelling, h.Algo()); err != nil || back != h {
				t.Errorf("%q: spelled %q it is %v, %v", s, spelling, back, err)
			}
		}
	})
}

func FuzzBase32(f *testing.F) {
	f.Add([]byte("abc"), "1b8m03r63zqhnjf7l5wnldhh7c134ap5")
	f.Add([]byte{}, "zz")
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		if back, err := DecodeBase32(EncodeBase32(b)); err != nil || !bytes.Equal(back, b) {
			t.Errorf("%x: encoded and decoded it is %x, %v", b, back, err)
		}
		if got, err := DecodeBase32(s); err == nil && EncodeBase32(got) != s {
			t.Errorf("%q: decoded and encoded it is %q", s, EncodeBase32(got))
		}
	})
}
