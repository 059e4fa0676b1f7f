package eval

import "muster/compile/store"

// fetchBuiltins get things from elsewhere. What has a hash has a known store
// path; what is not there is got by Options.Fetch.
var fetchBuiltins = []*builtin{
	fn1("fetchurl", fetcher("fetchurl")),
	fn1("fetchTarball", fetcher("fetchTarball")),
	fn1("fetchGit", fetcher("fetchGit")),
	fn1("fetchMercurial", fetcher("fetchMercurial")),
	fn1("fetchTree", fetcher("fetchTree")),
}

// A FetchRequest is a call of one of the fetchers.
type FetchRequest struct {
	Fetcher string     // fetchurl, fetchTarball, fetchGit, …
	JSON    string     // its argument
	Name    string     // of the store path, where known
	Hash    store.Hash // of what comes, where given
}

func fetcher(name string) func(*thread, value) value {
	return func(th *thread, x value) value { return th.fetch(name, x) }
}

func (th *thread) fetch(fetcher string, x value) value {
	r := FetchRequest{Fetcher: fetcher}
	x = th.force(x)
	var json value
	if x.kind() == kindSet {
		json = toJSON(th, x)
	} else {
		var c references
		json = toJSON(th, stringValue(th.coerce(x, &c, 0, 0)))
	}
	r.JSON = json.str()
	if th.ev.opts.Fetch == nil {
		th.failAs(UnsupportedError, 0, "%s: nothing can be fetched here", fetcher)
	}
	p, err := th.ev.opts.Fetch(th.ctx, r)
	if err != nil {
		th.failCause(0, err, "%s: %v", fetcher, err)
	}
	th.sawFetched(r, p)
	return storeString(p)
}
