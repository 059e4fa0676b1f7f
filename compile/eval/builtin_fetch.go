package eval

import (
	"context"
	"errors"
	"path"
	"strings"

	"muster/compile/flake"
	"muster/compile/store"
)

// fetchBuiltins fetch. A request with a hash has a known store path, and is
// passed to World.Fetch only if that path is missing.
var fetchBuiltins = []*builtin{
	fn1("fetchurl", func(th *thread, x value) value { return th.download("fetchurl", x) }),
	fn1("fetchTarball", func(th *thread, x value) value { return th.download("fetchTarball", x) }),
	fn1("fetchGit", func(th *thread, x value) value { return th.fetchTree(x, true) }),
	fn1("fetchMercurial", fetchMercurial),
	experimental(fn1("fetchTree", func(th *thread, x value) value { return th.fetchTree(x, false) }), "fetch-tree", "flakes"),
	leftToNix("fetchClosure", 1, "fetch-closure"),
}

// A fetching is a request, in progress or answered.
type fetching struct {
	once once
	got  Fetched
	err  error
}

// fetch passes a request to the world. Each request is made once.
func (th *thread) fetch(r FetchRequest) (Fetched, error) {
	f := th.fetching(r)
	th.recordFetched(r, f.got)
	return f.got, f.err
}

// fetchAgain fetches a tree that an earlier evaluation has read, nil if that fails.
func (ev *Evaluator) fetchAgain(r FetchRequest) *Fetched {
	th := ev.newThread(context.Background(), 0)
	defer th.release()
	_, err := th.try(func() value {
		f := th.fetching(r)
		if f.err != nil {
			th.fail(0, "%v", f.err)
		}
		return valueNull
	})
	if err != nil {
		return nil
	}
	got := th.fetching(r).got
	ev.addTree(r, got)
	return &got
}

// fetching makes a request, unless it was made.
func (th *thread) fetching(r FetchRequest) *fetching {
	ev := th.ev
	e, _ := ev.fetched.LoadOrStore(r, &fetching{})
	f := e.(*fetching)
	f.once.do(th, func() {
		got, err := ev.world.Fetch(th.ctx, r)
		th.mustGoOn()
		f.got, f.err = got, err
		if err == nil {
			ev.readable.paths.Store(got.Path, true)
		}
		if err == nil && got.File != "" && got.File != string(got.Path) {
			ev.derivations.addSource(got.Path, Source{File: got.File, Flat: r.Fetcher == "fetchurl"}, 0)
		}
	})
	return f
}

// mustFetch is fetch for a request of a builtin that must succeed.
func (th *thread) mustFetch(builtin string, r FetchRequest) Fetched {
	got, err := th.fetch(r)
	if errors.Is(err, ErrUnsupported) && r.Fetcher == "fetchMercurial" {
		th.failAs(UnsupportedError, 0, "%s: Mercurial is left to Nix: evaluate the fleet with --evaluator nix", builtin)
	}
	if errors.Is(err, ErrUnsupported) {
		th.failAs(UnsupportedError, 0, "%s: nothing can be fetched here", builtin)
	}
	if err != nil {
		th.failCause(0, err, "%s: %v", builtin, err)
	}
	return got
}

// download implements fetchurl and fetchTarball. Their argument is a URL, or a
// set with url, name and sha256.
func (th *thread) download(fetcher string, x value) value {
	var url, name, sum string
	advice := ". Please pass an attribute set with 'url' and 'name' attributes to '" + fetcher + "',  so that it can create a valid store path."
	var hash store.Hash
	pinned := false
	x = th.force(x)
	if x.kind() == kindSet {
		advice = ". Please add a valid 'name' attribute to the argument for '" + fetcher + "', so that it can create a valid store path."
		for _, a := range byName(x.attrs()) {
			switch a.sym {
			case symURL:
				url = th.wantPlainString(a.v, a.pos)
			case symSha256:
				sum, pinned = th.wantPlainString(a.v, a.pos), true
				if sum == "" { // the right one is not known yet: the error tells it
					sum = noHash
				}
				hash = th.parseHash(sum, store.SHA256, a.pos)
			case symName:
				name = th.wantPlainString(a.v, a.pos)
				advice = ". Please change the value for the 'name' attribute passed to '" + fetcher + "', so that it can create a valid store path."
			default:
				th.fail(a.pos, "unsupported argument '%s' to '%s'", a.sym, fetcher)
			}
		}
		if url == "" {
			th.fail(0, "'url' argument required")
		}
	} else {
		url = th.wantPlainString(x, 0)
	}
	tarball := fetcher == "fetchTarball"
	switch {
	case name != "":
	case tarball:
		name = "source"
	default:
		name = path.Base(url)
	}
	th.checkName(name, "invalid store path name when fetching URL '"+url+"'", advice)
	if th.ev.opts.Pure && !pinned {
		th.fail(0, "in pure evaluation mode, '%s' requires a 'sha256' argument", fetcher)
	}
	if !hash.IsZero() {
		if p, err := store.FixedPath(name, hash, tarball); err == nil {
			if info, err := th.ev.world.Lstat(string(p)); err == nil {
				th.recordType(typeInput, string(p), info, nil)
				return th.found(p)
			}
		}
	}
	r := FetchRequest{Fetcher: fetcher}
	if tarball {
		r = tarballRequest(url, name, hash)
	} else {
		attrs := []attr{{sym: symURL, v: stringValue(url)}, {sym: symName, v: stringValue(name)}}
		if pinned {
			attrs = append(attrs, attr{sym: symSha256, v: stringValue(sum)})
		}
		r.JSON = toJSON(th, sortedSet(attrs...)).str()
	}
	return storeString(th.mustFetch(fetcher, r).Path)
}

// noHash is what Nix takes an empty hash for.
const noHash = "sha256-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// tarballRequest asks for the content of an archive.
func tarballRequest(url, name string, hash store.Hash) FetchRequest {
	if channel, ok := strings.CutPrefix(url, "channel:"); ok {
		url = "https://channels.nixos.org/" + channel + "/nixexprs.tar.xz"
	}
	a := flake.Attrs{"type": "tarball", "url": url, "name": name}
	if !hash.IsZero() {
		a["narHash"] = hash.SRI()
	}
	return FetchRequest{Fetcher: fetchInput, JSON: a.JSON()}
}

// fetchInput is the Fetcher of a request for an input.
const fetchInput = "input"

// fetchMercurial is left to a world that can do it.
func fetchMercurial(th *thread, x value) value {
	x = th.force(x)
	if x.kind() != kindSet {
		var c references
		s := th.coerce(x, &c, 0, 0)
		th.realise(c)
		x = stringValue(s)
	}
	return storeString(th.mustFetch("fetchMercurial", FetchRequest{Fetcher: "fetchMercurial", JSON: toJSON(th, x).str()}).Path)
}

// searchEntry returns the directory of an entry of the search path, false if it
// cannot be downloaded. As in Nix, a relative path is relative to the working
// directory.
func (th *thread) searchEntry(entry string) (string, bool) {
	if rest, ok := strings.CutPrefix(entry, "flake:"); ok && th.ev.enabled("flakes") {
		return th.searchFlake(rest)
	}
	if !isURL(entry) {
		dir, err := th.ev.world.Abs(entry)
		return dir, err == nil
	}
	got, err := th.fetch(tarballRequest(entry, "source", store.Hash{}))
	if errors.Is(err, ErrUnsupported) {
		th.failAs(UnsupportedError, 0, "search path entry '%s': nothing can be fetched here", entry)
	}
	if err != nil {
		th.say("warning: Nix search path entry '" + entry + "' cannot be downloaded, ignoring: " + err.Error())
		return "", false
	}
	return string(got.Path), true
}

// searchFlake returns the tree of a flake that is an entry of the search path.
func (th *thread) searchFlake(text string) (string, bool) {
	ref, err := flake.Parse(text, false)
	var got Fetched
	if err == nil {
		got, err = (&flakeSource{th: th}).input(FetchRequest{JSON: ref.Attrs.JSON(), Registry: AnyRegistry})
	}
	if err != nil {
		th.fail(0, "search path entry 'flake:%s': %v", text, err)
	}
	return string(got.Path), true
}

// isURL reports whether an entry of the search path must be downloaded.
func isURL(s string) bool {
	if strings.HasPrefix(s, "channel:") {
		return true
	}
	scheme, _, ok := strings.Cut(s, "://")
	switch scheme {
	case "http", "https", "file", "git", "s3", "ssh":
		return ok
	}
	return false
}
