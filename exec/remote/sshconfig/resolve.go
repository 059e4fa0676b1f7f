package sshconfig

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A Query is a host as the user asks for it.
type Query struct {
	Host        string
	User        string // "": as configured, else DefaultUser
	Port        int    // 0: as configured, else 22
	DefaultUser string
	Options     map[string]string // options of ssh_config(5) that go before the files, as with ssh -o
}

// file is a configuration that sets the options.
func (q *Query) file() (File, error) {
	f := File{Name: "options for " + q.Host}
	for _, name := range slices.Sorted(maps.Keys(q.Options)) {
		line := name + "=" + q.Options[name]
		if strings.ContainsAny(line, "\n\r\x00") {
			return File{}, fmt.Errorf("%s: option %q holds the end of a line", f.Name, name)
		}
		f.Text += line + "\n"
	}
	return f, nil
}

// Values are what a configuration sets for one host.
type Values struct {
	env    *Env
	query  Query
	host   string // the name or address to connect to
	user   string
	jump   *jump
	tokens tokens
	values map[string][]string // of each keyword in lower case, as ssh -G prints them
	places map[string]string   // the line that sets a keyword
}

// Read collects the values that apply to a host. The first line that sets a keyword wins. What ssh refuses is an error.
func Read(files []File, q Query, env Env) (*Values, error) {
	if len(q.Options) > 0 {
		options, err := q.file()
		if err != nil {
			return nil, err
		}
		files = slices.Concat([]File{options}, files)
	}
	r := newReader(q, &env)
	if err := r.pass(files); err != nil {
		return nil, err
	}
	host, err := r.hostName()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.places["hostname"], err)
	}
	if host, err = r.canonicalize(host); err != nil {
		return nil, err
	}
	for _, key := range []string{"canonicalizehostname", "canonicalizemaxdots", "canonicalizefallbacklocal"} {
		if r.values[key] == nil { // a second pass is too late for these
			r.values[key] = []string{keywordsByName[key].initial}
		}
	}
	// "Match final" and CanonicalizeHostname ask for a second pass, in which Host and Match see the final name.
	if r.wantsFinal || cmp.Or(r.first("canonicalizehostname"), "false") != "false" {
		r.final, r.host, r.values["hostname"] = true, host, []string{host}
		if err := r.pass(files); err != nil {
			return nil, err
		}
	}
	v := &Values{env: &env, query: q, host: host, values: r.values, places: r.places}
	v.user = cmp.Or(v.first("user"), q.DefaultUser, env.User)
	if err := v.finish(); err != nil {
		return nil, fmt.Errorf("read ssh configuration of %s: %w", q.Host, err)
	}
	return v, nil
}

// canonicalize finds the usual spelling of an address and, where the configuration says so, the full name of a host.
func (r *reader) canonicalize(host string) (string, error) {
	family := r.first("addressfamily")
	if address, ok := numericAddress(host, family); ok {
		if strings.EqualFold(address, host) {
			return host, nil
		}
		return address, nil
	}
	if looksNumeric(host) {
		return host, nil
	}
	host = strings.ToLower(host)
	full, found, err := r.search(host, family)
	if err != nil || found {
		return full, err
	}
	if !r.followsNames() {
		return host, nil
	}
	alias, err := r.env.lookupHost(host, family)
	switch {
	case err == nil:
		return r.follow(host, alias), nil
	case r.isDirect():
		return "", fmt.Errorf("read ssh configuration of %s: CanonicalizePermittedCNAMEs (%s): look up %s: %w",
			r.query.Host, r.places["canonicalizepermittedcnames"], host, err)
	}
	return host, nil
}

// search looks a name up in each of the CanonicalDomains.
func (r *reader) search(host, family string) (full string, found bool, err error) {
	mode := cmp.Or(r.first("canonicalizehostname"), "false")
	if mode == "false" || mode != "always" && !r.isDirect() {
		return host, false, nil
	}
	most, err := strconv.Atoi(cmp.Or(r.first("canonicalizemaxdots"), "1"))
	if err != nil {
		return "", false, err
	}
	var names []string
	if strings.HasSuffix(host, ".") {
		names = []string{strings.TrimSuffix(host, ".")}
	} else {
		if strings.Count(host, ".") > most {
			return host, false, nil
		}
		for _, domain := range r.values["canonicaldomains"] {
			if domain == "none" {
				break
			}
			names = append(names, host+"."+domain)
		}
	}
	for _, name := range names {
		if alias, err := r.env.lookupHost(name+".", family); err == nil {
			return r.follow(name, alias), true, nil
		}
	}
	if r.first("canonicalizefallbacklocal") == "no" {
		return "", false, fmt.Errorf("read ssh configuration of %s: %s is in none of the CanonicalDomains, and CanonicalizeFallbackLocal is no (%s)",
			r.query.Host, host, r.places["canonicalizefallbacklocal"])
	}
	return host, false, nil
}

// follow takes the name that a name is an alias of, where CanonicalizePermittedCNAMEs lets it.
func (r *reader) follow(name, alias string) string {
	mode := cmp.Or(r.first("canonicalizehostname"), "false")
	if alias == "" || mode == "false" || mode != "always" && !r.isDirect() {
		return name
	}
	for _, pair := range r.values["canonicalizepermittedcnames"] {
		sources, targets, _ := strings.Cut(pair, ":")
		if judge(name, strings.ToLower(sources)) == match && judge(alias, strings.ToLower(targets)) == match {
			return alias
		}
	}
	return name
}

// followsNames reports whether aliases are looked up though names are not made canonical.
func (r *reader) followsNames() bool {
	pairs := r.values["canonicalizepermittedcnames"]
	return len(pairs) > 0 && pairs[0] != "none" && (r.isDirect() || r.first("canonicalizehostname") == "always")
}

// isDirect reports whether the host is connected to without a proxy.
func (r *reader) isDirect() bool {
	none := func(key string) bool { v := r.first(key); return v == "" || strings.EqualFold(v, "none") }
	return none("proxycommand") && none("proxyjump")
}

func (v *Values) first(key string) string {
	if texts := v.values[key]; len(texts) > 0 {
		return texts[0]
	}
	return ""
}

// or is the value of a keyword, or else the initial one.
func (v *Values) or(key string) string { return cmp.Or(v.first(key), keywordsByName[key].initial) }

// none reports whether a keyword is not set, or set to none.
func (v *Values) none(key string) bool {
	text := v.first(key)
	return text == "" || strings.EqualFold(text, "none")
}

// at adds to an error the line that set the keyword.
func (v *Values) at(key string, err error) error {
	if place := v.places[key]; place != "" {
		return fmt.Errorf("%s (%s): %w", key, place, err)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// finish does to the values what ssh does before it connects.
func (v *Values) finish() error {
	for _, key := range []string{"localcommand", "remotecommand", "proxycommand", "controlpath", "revokedhostkeys", "pkcs11provider",
		"knownhostscommand", "channeltimeout"} {
		if v.none(key) {
			delete(v.values, key)
		}
	}
	if pairs := v.values["canonicalizepermittedcnames"]; len(pairs) == 1 && pairs[0] == "none" {
		delete(v.values, "canonicalizepermittedcnames")
	}
	for key := range opensshAlgorithms {
		if _, err := v.algorithms(key); err != nil {
			return v.at(key, err)
		}
	}
	if err := v.findJump(); err != nil {
		return v.at("proxyjump", err)
	}
	if v.first("proxycommand") == "-" && v.first("proxyusefdpass") == "yes" {
		return v.at("proxycommand", fmt.Errorf("- and ProxyUseFdpass exclude each other"))
	}
	if v.or("connectionattempts") == "0" {
		return v.at("connectionattempts", fmt.Errorf("want at least 1"))
	}
	v.values["updatehostkeys"] = []string{v.updateHostKeys()}
	if v.or("clearallforwardings") == "yes" {
		for _, key := range []string{"localforward", "dynamicforward", "remoteforward", "tunnel"} {
			delete(v.values, key)
		}
	}
	return v.expand()
}

// algorithms is the list that a keyword sets or changes.
func (v *Values) algorithms(key string) ([]string, error) {
	return v.env.algorithmsOf(key).assemble(v.first(key))
}

func (v *Values) findJump() error {
	value := v.first("proxyjump")
	if value == "" {
		return nil
	}
	j, err := parseJump(value, v.env)
	if err != nil || j.host == "none" && j.port == 0 && j.user == "" && strings.EqualFold(value, "none") {
		return err
	}
	if j.host == v.host && cmp.Or(j.port, 22) == v.port() && cmp.Or(j.user, v.user) == v.user {
		return fmt.Errorf("jump host loop via %s", j.host)
	}
	v.jump = &j
	v.values["proxyusefdpass"] = []string{"no"}
	return nil
}

func (v *Values) port() int {
	port, err := strconv.Atoi(v.or("port"))
	if err != nil {
		panic("the port has been read: " + err.Error())
	}
	return port
}

// updateHostKeys is the value of UpdateHostKeys: its default depends on other keywords, and "ask" is not always possible.
func (v *Values) updateHostKeys() string {
	value := v.first("updatehostkeys")
	switch {
	case value == "":
		known := v.values["userknownhostsfile"]
		if v.or("verifyhostkeydns") == "false" && (len(known) == 0 || len(known) == 1 && known[0] == "~/.ssh/known_hosts") {
			return "true"
		}
		return "false"
	case value != "ask":
		return value
	}
	quiet := map[string]bool{"SILENT": true, "FATAL": true, "ERROR": true}
	if v.or("controlpersist") != "no" && v.first("controlpath") != "" || v.first("remotecommand") != "" ||
		v.or("requesttty") == "false" || quiet[v.or("loglevel")] {
		return "false"
	}
	return "ask"
}

// expand expands the values that ssh -G shows expanded.
func (v *Values) expand() error {
	if alias := v.first("hostkeyalias"); alias != "" {
		v.values["hostkeyalias"] = []string{lower(alias)}
	}
	jumpHost := ""
	if v.jump != nil {
		jumpHost = v.jump.host
	}
	v.tokens = connectionTokens(v.env, v.query.Host, v.host, v.first("hostkeyalias"), v.user, v.or("port"), jumpHost)
	if command := v.first("remotecommand"); command != "" {
		command, err := v.tokens.expand(command)
		if err != nil {
			return v.at("remotecommand", err)
		}
		v.values["remotecommand"] = []string{command}
	}
	if err := v.expandForwards(); err != nil {
		return err
	}
	for _, key := range []string{"controlpath", "identityagent", "revokedhostkeys", "forwardagent", "userknownhostsfile"} {
		texts := v.values[key]
		if key == "forwardagent" && len(texts) > 0 && meaningful(texts[0]) {
			continue
		}
		if key == "userknownhostsfile" && texts == nil {
			texts = []string{"~/.ssh/known_hosts", "~/.ssh/known_hosts2"}
		}
		if err := v.expandPaths(key, texts); err != nil {
			return err
		}
	}
	return nil
}

// expandForwards expands the tokens in the paths of sockets.
func (v *Values) expandForwards() error {
	for _, key := range []string{"localforward", "dynamicforward", "remoteforward"} {
		for i, text := range v.values[key] {
			ends := strings.Split(text, " ")
			for e, end := range ends {
				if !strings.Contains(end, "/") {
					continue
				}
				path, err := v.tokens.expand(end)
				if err != nil {
					return v.at(key, fmt.Errorf("%s: %w", end, err))
				}
				ends[e] = path
			}
			v.values[key][i] = strings.Join(ends, " ")
		}
	}
	return nil
}

func (v *Values) expandPaths(key string, texts []string) error {
	if key == "userknownhostsfile" && strings.EqualFold(texts[0], "none") {
		return nil
	}
	for i, text := range texts {
		path, err := v.tokens.path(text, v.env)
		if err != nil {
			return v.at(key, fmt.Errorf("%s: %w", text, err))
		}
		texts[i] = path
	}
	if len(texts) > 0 {
		v.values[key] = texts
	}
	return nil
}

// lower is a text in lower case, of ASCII letters alone.
func lower(text string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}
