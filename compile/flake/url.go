package flake

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// A locator is a URL in its parts, decoded: scheme://authority/path?query#fragment.
type locator struct {
	scheme       string
	authority    string // as it is spelled
	hasAuthority bool
	path         []string // segments; the first is "" if the path begins with a slash
	query        map[string]string
	fragment     string
}

const (
	unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	subDelims  = "!$&'()*+,;="
	pathChars  = unreserved + subDelims + ":@%/"
	queryChars = pathChars + "?"
)

// badURL is the error about a text that is no URL. A reference that is none may still be a path.
type badURL struct{ msg string }

func (e badURL) Error() string { return e.msg }

func badURLf(format string, args ...any) error { return badURL{fmt.Sprintf(format, args...)} }

// parseURL parses a URL as strictly as Nix does, except that queries may hold spaces and double quotes, and fragments
// circumflexes as well.
func parseURL(text string) (locator, error) {
	rest, fragment, _ := strings.Cut(text, "#")
	rest, query, _ := strings.Cut(rest, "?")
	scheme, rest, ok := strings.Cut(rest, ":")
	if !ok || !isScheme(scheme) {
		return locator{}, badURLf("'%s' doesn't have a scheme", text)
	}
	u := locator{scheme: scheme}
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		end := strings.IndexByte(after, '/')
		if end < 0 {
			end = len(after)
		}
		u.hasAuthority, u.authority, rest = true, after[:end], after[end:]
	}
	for _, part := range []struct{ text, allowed string }{
		{u.authority, pathChars + "[]"}, {rest, pathChars}, {query, queryChars + ` "`}, {fragment, queryChars + ` "^`},
	} {
		if i := strings.IndexFunc(part.text, func(r rune) bool { return !strings.ContainsRune(part.allowed, r) }); i >= 0 {
			return locator{}, badURLf("'%s' is not a valid URL: leftover", text)
		}
	}
	_, transport := splitScheme(u.scheme)
	if transport == "file" {
		if u.authority != "" {
			return locator{}, badURLf("file:// URL '%s' has unexpected authority '%s'", text, u.authority)
		}
		if rest == "" {
			rest = "/"
		}
	}
	for _, segment := range strings.Split(rest, "/") {
		s, err := url.PathUnescape(segment)
		if err != nil {
			return locator{}, badURLf("invalid URI parameter '%s'", segment)
		}
		u.path = append(u.path, s)
	}
	var err error
	if u.query, err = parseQuery(query); err != nil {
		return locator{}, err
	}
	if u.fragment, err = url.PathUnescape(fragment); err != nil {
		return locator{}, badURLf("invalid URI parameter '%s'", fragment)
	}
	return u, nil
}

func isScheme(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || strings.IndexByte("0123456789+-.", c) < 0) {
			return false
		}
	}
	return s != ""
}

// splitScheme splits git+https into git and https.
func splitScheme(s string) (application, transport string) {
	if application, transport, ok := strings.Cut(s, "+"); ok {
		return application, transport
	}
	return "", s
}

// parseQuery parses a query. As in Nix, a parameter without an equals sign is ignored, and the first of equal names
// wins.
func parseQuery(text string) (map[string]string, error) {
	query := map[string]string{}
	for param := range strings.SplitSeq(text, "&") {
		name, value, ok := strings.Cut(param, "=")
		n, err := url.PathUnescape(name)
		v, err2 := url.PathUnescape(value)
		if err != nil || err2 != nil {
			return nil, badURLf("invalid URI query '%s'", text)
		}
		if !ok {
			continue
		}
		if _, twice := query[n]; !twice {
			query[n] = v
		}
	}
	return query, nil
}

// String returns the URL as Nix spells it.
func (u locator) String() string {
	var b strings.Builder
	b.WriteString(u.scheme + ":")
	if u.hasAuthority {
		b.WriteString("//" + u.authority)
	}
	for i, segment := range u.path {
		if i > 0 {
			b.WriteByte('/')
		}
		b.WriteString(encode(segment, ":@"))
	}
	sep := byte('?')
	for _, name := range slices.Sorted(maps.Keys(u.query)) {
		b.WriteByte(sep)
		b.WriteString(encode(name, ":@/?") + "=" + encode(u.query[name], ":@/?"))
		sep = '&'
	}
	if u.fragment != "" {
		b.WriteString("#" + encode(u.fragment, ""))
	}
	return b.String()
}

// encode percent-encodes all bytes that are neither unreserved nor to be kept.
func encode(s, keep string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; strings.IndexByte(unreserved, c) >= 0 || strings.IndexByte(keep, c) >= 0 {
			b.WriteByte(c)
		} else {
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}

// filePath returns the path as one text.
func (u locator) filePath() string { return strings.Join(u.path, "/") }

// segments returns the segments of the path that are not empty.
func (u locator) segments() []string {
	return slices.DeleteFunc(slices.Clone(u.path), func(s string) bool { return s == "" })
}

// gitURL parses the URL of a git repository, which may also be a path or git@host:path.
func gitURL(text string) (locator, error) {
	if strings.HasPrefix(text, "/") {
		return locator{scheme: "file", hasAuthority: true, path: strings.Split(text, "/")}, nil
	}
	if m := scpPattern().FindStringSubmatch(text); m != nil {
		text = "ssh://" + m[1] + "@" + m[2] + "/" + m[3]
	}
	if !strings.HasPrefix(text, "file:") && !strings.HasPrefix(text, "git+file:") && !strings.Contains(text, "://") {
		if host, _, ok := strings.Cut(text, ":"); ok && !strings.Contains(host, "/") {
			return locator{}, badURLf("SCP-like URL '%s' is not supported; use SSH URL syntax instead (ssh://...)", text)
		}
		return locator{scheme: "file", path: strings.Split(text, "/")}, nil
	}
	u, err := parseURL(text)
	if err != nil {
		return locator{}, err
	}
	if application, transport := splitScheme(u.scheme); application == "git" {
		u.scheme = transport
	}
	return u, nil
}

// scpPattern is a repository as ssh has it: git@example.org:path.
var scpPattern = ondemand.Regexp(`^([^/]*)@(.*):(.*)$`)
