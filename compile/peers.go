package compile

import (
	_ "embed"

	"muster/compile/syntax"
	"muster/schema"
)

// The let-bound modules of sites: how a host opens its port to others of its site, and
// who these are.
const (
	peersModule = "musterPeers"
	sitesModule = "musterSites"
)

//go:embed peers.nix
var peersNix string

func peersText() syntax.Expr { return embedded("peers.nix", peersNix, nil) }

// site is the site of a host, "" for none.
func (w *writer) site(h *schema.Host) string {
	if w.sites == nil {
		w.sites = schema.Sites(w.fleet)
	}
	return w.sites[h.Name]
}

// siteAddresses are the options that say which addresses are of which site.
func (w *writer) siteAddresses() *schema.Attrs {
	set, at := &schema.Attrs{}, w.fleet.Cache.At
	put(set, schema.Int{At: at, V: schema.PeerPort}, "muster", "peers", "port")
	of := map[string][]string{}
	for _, h := range w.fleet.Hosts {
		if site := w.site(h); site != "" {
			of[site] = append(of[site], w.peerAddresses(h)...)
		}
	}
	for _, site := range w.fleet.Cache.Peers {
		if len(of[site]) > 0 {
			put(set, texts(at, of[site]), "muster", "peers", "sites", site)
		}
	}
	return set
}

// peers puts what a host needs of its own as one of a site.
func (w *writer) peers(own *schema.Attrs, h *schema.Host) {
	site := w.site(h)
	if site == "" {
		return
	}
	at := w.fleet.Cache.At
	put(own, schema.String{At: at, V: site}, "muster", "peers", "site")
	if addresses := w.peerAddresses(h); len(addresses) > 0 {
		put(own, texts(at, addresses), "muster", "peers", "own")
	}
}

// peerAddresses are the addresses from which a host may fetch, as firewalls have them.
func (w *writer) peerAddresses(h *schema.Host) (all []string) {
	for _, a := range schema.PeerAddresses(w.fleet, h) {
		all = append(all, a.String())
	}
	return all
}
