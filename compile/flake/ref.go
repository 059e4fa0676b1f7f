package flake

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/ondemand"
)

// A Ref says where a flake is. The same reference as a URL and as attributes:
//
//	github:NixOS/nixpkgs/nixos-26.05?dir=lib
//	{ type = "github"; owner = "NixOS"; repo = "nixpkgs"; ref = "nixos-26.05"; dir = "lib"; }
type Ref struct {
	Attrs Attrs  // what to fetch, with its type
	Dir   string // the directory of flake.nix in what is fetched; "" is its root
}

var (
	idPattern       = ondemand.Regexp(`^[a-zA-Z][a-zA-Z0-9_-]*$`)
	revPattern      = ondemand.Regexp(`^[0-9a-fA-F]{40}$`)
	longRevPattern  = ondemand.Regexp(`^[0-9a-fA-F]{64}$`)
	hostPattern     = ondemand.Regexp(`^[a-zA-Z0-9.-]*$`)
	idRefPattern    = ondemand.Regexp(`^[a-zA-Z][a-zA-Z0-9_-]*(/([0-9a-fA-F]{40}|[a-zA-Z0-9@][a-zA-Z0-9_./@+-]*))?(#([^#]*))?$`)
	badRefSequences = ondemand.Regexp(`//|/\.|\.\.|[[:cntrl:][:space:]:?^~\[]|\\|\*|\.lock$|\.lock/|@\{|/$|\.$|^@$|^\.|^/|^-`)
)

// IsID reports whether a text may name an input.
func IsID(s string) bool { return idPattern().MatchString(s) }

func isRefName(s string) bool { return s != "" && !badRefSequences().MatchString(s) }

// Parse parses a reference that stands in a flake: paths in it must be absolute unless relative paths are allowed.
func Parse(text string, relative bool) (Ref, error) {
	ref, fragment, err := ParseWithFragment(text, relative)
	if err == nil && fragment != "" {
		err = fmt.Errorf("unexpected fragment '%s' in flake reference '%s'", fragment, text)
	}
	return ref, err
}

// ParseSource is Parse for a reference to something that is not a flake, with relative paths. What a URL points to is then a
// file, unless its name is that of an archive.
func ParseSource(text string) (Ref, error) {
	ref, err := Parse(text, true)
	if err != nil || ref.Attrs.String("type") != "tarball" {
		return ref, err
	}
	u, err := parseURL(text)
	if application, _ := splitScheme(u.scheme); err != nil || application == "tarball" {
		return ref, err
	}
	name := u.path[len(u.path)-1]
	if !slices.ContainsFunc(tarballEndings, func(end string) bool { return strings.HasSuffix(name, end) }) {
		ref.Attrs["type"] = "file"
	}
	return ref, nil
}

// ParseWithFragment is Parse for a reference that may end in #fragment, which it returns decoded.
func ParseWithFragment(text string, relative bool) (ref Ref, fragment string, err error) {
	if idRefPattern().MatchString(text) {
		id, fragment, _ := strings.Cut(text, "#")
		u := locator{scheme: "flake", path: strings.Split(id, "/"), fragment: fragment}
		ref, err := fromURL(u)
		return ref, decoded(fragment), err
	}
	u, err := parseURL(text)
	if err == nil {
		if ref, err = fromURL(u); err == nil {
			return ref, u.fragment, nil
		}
	}
	if _, bad := err.(badURL); !bad {
		return Ref{}, "", err
	}
	return parsePathRef(text, relative)
}

// IsPath reports whether a reference is a path with a query and a fragment, as they are spelled, and neither a URL nor a name.
func IsPath(text string) (p, query, fragment string, ok bool) {
	rest, fragment, _ := strings.Cut(text, "#")
	p, query, _ = strings.Cut(rest, "?")
	if idRefPattern().MatchString(text) {
		return "", "", "", false
	}
	u, err := parseURL(text)
	if err == nil {
		_, err = fromURL(u)
	}
	_, ok = err.(badURL)
	return p, query, fragment, ok
}

// parsePathRef parses a path with a query and a fragment.
func parsePathRef(text string, relative bool) (ref Ref, fragment string, err error) {
	rest, fragment, _ := strings.Cut(text, "#")
	p, query, _ := strings.Cut(rest, "?")
	if !relative && !strings.HasPrefix(p, "/") {
		return Ref{}, "", badURLf("flake reference '%s' is not an absolute path", text)
	}
	u := locator{scheme: "path", hasAuthority: strings.HasPrefix(p, "/"), path: strings.Split(p, "/")}
	if u.query, err = parseQuery(query); err != nil {
		return Ref{}, "", err
	}
	ref, err = fromURL(u)
	return ref, decoded(fragment), err
}

func decoded(fragment string) string {
	if u, err := parseURL("x:#" + fragment); err == nil {
		return u.fragment
	}
	return fragment
}

// fromURL makes a reference of a URL: its parameter dir is the directory.
func fromURL(u locator) (Ref, error) {
	dir := u.query["dir"]
	if u.query != nil {
		u.query = maps.Clone(u.query)
		delete(u.query, "dir")
	}
	u.fragment = ""
	a, err := inputFromURL(u)
	var pin *PinError
	if errors.As(err, &pin) {
		pin.Ref.Dir = dir
	}
	if err != nil {
		return Ref{}, err
	}
	return Ref{Attrs: a, Dir: dir}, nil
}

// FetchURL parses the URL of an input that is not a flake in particular, as builtins.fetchTree takes it.
func FetchURL(text string) (Attrs, error) {
	u, err := parseURL(text)
	if err != nil {
		return nil, err
	}
	return inputFromURL(u)
}

func inputFromURL(u locator) (Attrs, error) {
	application, transport := splitScheme(u.scheme)
	switch {
	case u.scheme == "path":
		return pathFromURL(u)
	case u.scheme == "flake":
		return indirectFromURL(u)
	case isForge(u.scheme):
		return forgeFromURL(u)
	case u.scheme == "git" || application == "git":
		return gitFromURL(u)
	case application == "hg":
		return hgFromURL(u)
	case application == "file" && transport == "git":
		return nil, fmt.Errorf("input '%s' is unsupported; did you mean 'git+file' instead of 'file+git'?", u)
	case transport != "file" && transport != "http" && transport != "https":
	case application == "" || application == "tarball" || application == "file":
		return downloadFromURL(u, application)
	}
	return nil, fmt.Errorf("input '%s' is unsupported", u)
}

func pathFromURL(u locator) (Attrs, error) {
	if u.authority != "" {
		return nil, fmt.Errorf("path URL '%s' should not have an authority ('%s')", u, u.authority)
	}
	if slices.ContainsFunc(u.path, func(segment string) bool { return strings.Contains(segment, "/") }) {
		return nil, badURLf("path URL '%s' has a slash in a name", u)
	}
	a := Attrs{"type": "path", "path": cmp.Or(u.filePath(), "/")}
	for name, value := range u.query {
		switch name {
		case "rev", "narHash":
			a[name] = value
		case "revCount", "lastModified":
			n, err := strconv.ParseInt(value, 10, 64)
			if err != nil || n < 0 {
				return nil, fmt.Errorf("path URL '%s' has invalid parameter '%s'", u, name)
			}
			a[name] = n
		default:
			return nil, fmt.Errorf("path URL '%s' has unsupported parameter '%s'", u, name)
		}
	}
	return FromAttrs(a)
}

func indirectFromURL(u locator) (Attrs, error) {
	p := u.segments()
	if len(p) == 0 || len(p) > 3 {
		return nil, badURLf("GitHub URL '%s' is invalid", u)
	}
	a := Attrs{"type": "indirect", "id": p[0]}
	switch {
	case len(p) == 2 && revPattern().MatchString(p[1]):
		a["rev"] = strings.ToLower(p[1])
	case len(p) == 2 && isRefName(p[1]):
		a["ref"] = p[1]
	case len(p) == 2:
		return nil, badURLf("in flake URL '%s', '%s' is not a commit hash or branch/tag name", u, p[1])
	case len(p) == 3 && !isRefName(p[1]):
		return nil, badURLf("in flake URL '%s', '%s' is not a branch/tag name", u, p[1])
	case len(p) == 3 && !revPattern().MatchString(p[2]):
		return nil, badURLf("in flake URL '%s', '%s' is not a commit hash", u, p[2])
	case len(p) == 3:
		a["ref"], a["rev"] = p[1], strings.ToLower(p[2])
	}
	return FromAttrs(a)
}

func isForge(kind string) bool { return kind == "github" || kind == "gitlab" || kind == "sourcehut" }

func forgeFromURL(u locator) (Attrs, error) {
	p := u.segments()
	if len(p) < 2 {
		return nil, badURLf("URL '%s' is invalid", u)
	}
	a := Attrs{"type": u.scheme, "owner": p[0], "repo": p[1]}
	switch {
	case len(p) == 3 && revPattern().MatchString(p[2]):
		a["rev"] = p[2]
	case len(p) > 2:
		a["ref"] = strings.Join(p[2:], "/")
	}
	for _, name := range slices.Sorted(maps.Keys(u.query)) {
		switch name {
		case "rev", "ref":
			if a.Has(name) {
				what := map[string]string{"rev": "commit hashes", "ref": "branch/tag names"}[name]
				return nil, badURLf("URL '%s' contains multiple %s", u, what)
			}
			a[name] = u.query[name]
		case "host", "narHash":
			a[name] = u.query[name]
		}
	}
	return FromAttrs(a)
}

func gitFromURL(u locator) (Attrs, error) {
	a := Attrs{"type": "git"}
	rest := map[string]string{}
	for name, value := range u.query {
		switch name {
		case "rev", "ref", "keytype", "publicKey", "publicKeys":
			a[name] = value
		case "shallow", "submodules", "lfs", "exportIgnore", "allRefs", "verifyCommit":
			a[name] = value == "1"
		default:
			rest[name] = value
		}
	}
	u.query = rest
	a["url"] = u.String()
	return FromAttrs(a)
}

// hgFromURL makes an input of Mercurial, which can be spelled and not fetched.
func hgFromURL(u locator) (Attrs, error) {
	_, u.scheme = splitScheme(u.scheme)
	a := Attrs{"type": "hg"}
	rest := map[string]string{}
	for name, value := range u.query {
		if name == "rev" || name == "ref" {
			a[name] = value
		} else {
			rest[name] = value
		}
	}
	u.query = rest
	a["url"] = u.String()
	return FromAttrs(a)
}

var tarballEndings = []string{".zip", ".tar", ".tgz", ".tar.gz", ".tar.xz", ".tar.bz2", ".tar.zst"}

// downloadFromURL makes a tarball or, if the scheme says so, a file.
func downloadFromURL(u locator, application string) (Attrs, error) {
	_, u.scheme = splitScheme(u.scheme)
	kind := application
	if kind == "" {
		kind = "tarball"
	}
	a := Attrs{"type": kind}
	rest := map[string]string{}
	for name, value := range u.query {
		switch name {
		case "narHash", "rev":
			a[name] = value
		case "revCount", "lastModified":
			if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
				a[name] = n
			}
		case "url", "name", "unpack":
		default:
			rest[name] = value
		}
	}
	u.query = rest
	a["url"] = u.String()
	return FromAttrs(a)
}

// allowed are the attributes of each type of input, besides type.
var allowed = map[string][]string{
	"path":      {"path", "rev", "revCount", "lastModified", "narHash"},
	"indirect":  {"id", "ref", "rev", "narHash"},
	"github":    forgeAttrs,
	"gitlab":    forgeAttrs,
	"sourcehut": forgeAttrs,
	"tarball":   downloadAttrs,
	"file":      downloadAttrs,
	"hg":        {"url", "ref", "rev", "revCount", "narHash", "name"},
	"git": {"url", "ref", "rev", "shallow", "submodules", "lfs", "exportIgnore", "lastModified", "revCount", "narHash", "allRefs", "name",
		"dirtyRev", "dirtyShortRev", "verifyCommit", "keytype", "publicKey", "publicKeys"},
}

var (
	forgeAttrs    = []string{"owner", "repo", "ref", "rev", "narHash", "lastModified", "host", "treeHash"}
	downloadAttrs = []string{"url", "narHash", "name", "unpack", "rev", "revCount", "lastModified"}
)

// FinalAttr marks an input that is what a lock file says. It is no attribute of a reference.
const FinalAttr = "__final"

// FromAttrs checks the attributes of an input and returns them in the spelling that Nix gives them.
func FromAttrs(a Attrs) (Attrs, error) {
	a = maps.Clone(a)
	kind, ok := a["type"].(string)
	if !ok && a.Has("type") {
		return nil, fmt.Errorf("input attribute 'type' is not a string %s", a.JSON())
	}
	if !ok {
		return nil, fmt.Errorf("'type' attribute to specify input scheme is required but not provided")
	}
	names, known := allowed[kind]
	if !known {
		return a, nil // what cannot be fetched can still be handed on
	}
	for _, name := range a.Names() {
		if name != "type" && name != FinalAttr && !slices.Contains(names, name) {
			return nil, fmt.Errorf("input attribute '%s' not supported by scheme '%s'", name, kind)
		}
	}
	if err := checkKinds(a); err != nil {
		return nil, err
	}
	var err error
	switch {
	case kind == "path":
		err = need(a, "path")
	case kind == "indirect":
		if err = need(a, "id"); err == nil && !IsID(a.String("id")) {
			err = badURLf("'%s' is not a valid flake ID", a.String("id"))
		}
	case kind == "git":
		err = checkGit(a)
	case kind == "tarball", kind == "file", kind == "hg":
		err = need(a, "url")
	case isForge(kind):
		err = checkForge(a)
	}
	if err != nil {
		return nil, err
	}
	return a, checkPins(a)
}

func need(a Attrs, name string) error {
	if _, ok := a[name].(string); !ok {
		return fmt.Errorf("input attribute '%s' is missing", name)
	}
	return nil
}

// checkKinds checks that attributes with a meaning are of the right type.
func checkKinds(a Attrs) error {
	for _, name := range a.Names() {
		var ok bool
		want := "a string"
		switch name {
		case "revCount", "lastModified":
			want = "an integer"
			_, ok = a[name].(int64)
		case "shallow", "submodules", "lfs", "exportIgnore", "allRefs", "verifyCommit", "unpack", FinalAttr:
			want = "a Boolean"
			_, ok = a[name].(bool)
		default:
			_, ok = a[name].(string)
		}
		if !ok && want == "a string" {
			return fmt.Errorf("input attribute '%s' is not a string %s", name, a.JSON())
		}
		if !ok {
			return fmt.Errorf("input attribute '%s' is not %s", name, want)
		}
	}
	return nil
}

func checkGit(a Attrs) error {
	if err := need(a, "url"); err != nil {
		return err
	}
	if a.Has("ref") && !isRefName(a.String("ref")) {
		return badURLf("invalid Git branch/tag name '%s'", a.String("ref"))
	}
	u, err := gitURL(a.String("url"))
	if err != nil {
		return err
	}
	a["url"] = u.String()
	return nil
}

func checkForge(a Attrs) error {
	for _, name := range []string{"owner", "repo"} {
		if err := need(a, name); err != nil {
			return err
		}
	}
	switch {
	case a.Has("ref") && a.Has("rev"):
		return badURLf("input %s contains both a commit hash ('%s') and a branch/tag name ('%s')", a.JSON(), a.String("rev"), a.String("ref"))
	case a.Has("ref") && !isRefName(a.String("ref")):
		return badURLf("input %s contains an invalid branch/tag name", a.JSON())
	case a.Has("host") && !hostPattern().MatchString(a.String("host")):
		return badURLf("input %s contains an invalid instance host", a.JSON())
	}
	return nil
}

// A PinError says that what pins an input is no hash. Nix says so when it uses the pin: Ref is the reference that it
// makes of the text.
type PinError struct {
	Ref Ref
	msg string
}

func (e *PinError) Error() string { return e.msg }

// checkPins checks the attributes that pin an input. A revision must not be able to pass for an option of git.
func checkPins(a Attrs) error {
	if rev := a.String("rev"); a.Has("rev") && !revPattern().MatchString(rev) && !longRevPattern().MatchString(rev) {
		msg := fmt.Sprintf("hash '%s' has wrong length for hash algorithm 'sha1'", rev)
		if isForge(a.String("type")) {
			return errors.New(msg)
		}
		return &PinError{Ref: Ref{Attrs: a}, msg: msg}
	} else if a.Has("rev") {
		a["rev"] = strings.ToLower(rev)
	}
	if a.Has("narHash") {
		_, err := store.ParseHash(a.String("narHash"), "")
		if name, _, sri := strings.Cut(a.String("narHash"), "-"); err != nil || !sri || strings.Contains(name, ":") {
			return &PinError{Ref: Ref{Attrs: a}, msg: badHash(a.String("narHash"), err)}
		}
	}
	return nil
}

// badHash is what Nix says of a hash that cannot be read.
func badHash(text string, err error) string {
	name, rest, sri := strings.Cut(text, "-")
	if !sri || strings.Contains(name, ":") {
		return fmt.Sprintf("hash '%s' is not SRI", text)
	}
	sum, bad := base64.StdEncoding.WithPadding(base64.NoPadding).DecodeString(strings.TrimRight(rest, "="))
	if size := store.Algo(name).Size(); size > 0 && (bad == nil || len(rest) < 4) && len(sum) != size {
		return fmt.Sprintf("invalid SRI hash '%s', length %d != expected length %d", rest, len(sum), size)
	}
	return err.Error()
}

// NARHash returns the hash that pins the content; the zero Hash if there is none.
func (a Attrs) NARHash() store.Hash {
	h, _ := store.ParseHash(a.String("narHash"), "")
	return h
}

// Locked reports whether the attributes can only ever mean the same content.
func (a Attrs) Locked() bool {
	switch kind := a.String("type"); {
	case kind == "git":
		return a.String("rev") != "" && strings.Trim(a.String("rev"), "0") != ""
	case isForge(kind):
		return a.Has("rev") // Nix trusts forges unless it is told otherwise
	case kind == "path", kind == "tarball", kind == "file":
		return a.Has("narHash")
	}
	return false
}

// Relative returns the path of an input that is relative to the flake that names it.
func (a Attrs) Relative() (p string, ok bool) {
	p = a.String("path")
	return p, a.String("type") == "path" && !strings.HasPrefix(p, "/")
}

// Name returns the name of the store object.
func (a Attrs) Name() string {
	if a.Has("name") {
		return a.String("name")
	}
	return "source"
}

// URL returns the input as a URL, without the directory of a reference.
func (a Attrs) URL() (string, error) {
	u, err := a.locator()
	return u.String(), err
}

func (a Attrs) locator() (locator, error) {
	switch kind := a.String("type"); {
	case kind == "path":
		u := locator{scheme: "path", path: strings.Split(a.String("path"), "/"), query: map[string]string{}}
		for _, name := range []string{"rev", "narHash"} {
			if a.Has(name) {
				u.query[name] = a.String(name)
			}
		}
		for _, name := range []string{"revCount", "lastModified"} {
			if n, ok := a.Int(name); ok {
				u.query[name] = strconv.FormatInt(n, 10)
			}
		}
		return u, nil
	case kind == "indirect":
		u := locator{scheme: "flake", path: []string{a.String("id")}}
		for _, name := range []string{"ref", "rev"} {
			if a.Has(name) {
				u.path = append(u.path, a.String(name))
			}
		}
		return u, nil
	case isForge(kind):
		return a.forgeURL(kind), nil
	case kind == "git", kind == "hg":
		return a.gitURL(kind)
	case kind == "tarball", kind == "file":
		u, err := parseURL(a.String("url"))
		if err == nil && a.Has("narHash") {
			u.query["narHash"] = a.NARHash().SRI()
		}
		return u, err
	}
	return locator{}, fmt.Errorf("cannot show unsupported input '%s'", a.JSON())
}

func (a Attrs) forgeURL(kind string) locator {
	u := locator{scheme: kind, path: []string{a.String("owner"), a.String("repo")}, query: map[string]string{}}
	for _, name := range []string{"ref", "rev"} {
		if a.Has(name) {
			u.path = append(u.path, a.String(name))
		}
	}
	if a.Has("narHash") {
		u.query["narHash"] = a.NARHash().SRI()
	}
	if a.Has("host") {
		u.query["host"] = a.String("host")
	}
	return u
}

func (a Attrs) gitURL(kind string) (locator, error) {
	u, err := parseURL(a.String("url"))
	if err != nil {
		return u, err
	}
	if u.scheme != kind {
		u.scheme = kind + "+" + u.scheme
	}
	for _, name := range []string{"rev", "ref"} {
		if a.Has(name) {
			u.query[name] = a.String(name)
		}
	}
	for _, name := range []string{"shallow", "lfs", "submodules", "exportIgnore", "verifyCommit"} {
		if a.Bool(name) {
			u.query[name] = "1"
		}
	}
	return u, nil
}

// RefFromAttrs makes a reference of attributes, of which dir is the directory.
func RefFromAttrs(a Attrs) (Ref, error) {
	dir := a.String("dir")
	if a.Has("dir") {
		if _, ok := a["dir"].(string); !ok {
			return Ref{}, fmt.Errorf("input attribute 'dir' is not a string")
		}
	}
	b, err := FromAttrs(a.Without("dir"))
	return Ref{Attrs: b, Dir: dir}, err
}

// Flat returns the reference as attributes.
func (r Ref) Flat() Attrs {
	if r.Dir == "" {
		return maps.Clone(r.Attrs)
	}
	return r.Attrs.With("dir", r.Dir)
}

// URL returns the reference as a URL.
func (r Ref) URL() (string, error) {
	u, err := r.Attrs.locator()
	if err == nil && r.Dir != "" && u.query["dir"] == "" {
		if u.query == nil {
			u.query = map[string]string{}
		}
		u.query["dir"] = r.Dir
	}
	return u.String(), err
}

// String is URL for messages.
func (r Ref) String() string {
	s, err := r.URL()
	if err != nil {
		return r.Flat().JSON()
	}
	return s
}

// Equal reports whether two references are the same.
func (r Ref) Equal(s Ref) bool { return r.Dir == s.Dir && r.Attrs.Equal(s.Attrs) }

// canonical removes a dir from the URL of the input that Nix before 2.19 left there.
func (r Ref) canonical() Ref {
	if !r.Attrs.Has("url") {
		return r
	}
	u, err := parseURL(r.Attrs.String("url"))
	if err != nil {
		return r
	}
	if r.Dir != "" && u.query["dir"] == r.Dir {
		delete(u.query, "dir")
	}
	return Ref{Attrs: r.Attrs.With("url", u.String()), Dir: r.Dir}
}

// Date spells a time as the attribute lastModifiedDate does.
func Date(seconds int64) string { return time.Unix(seconds, 0).UTC().Format("20060102150405") }
