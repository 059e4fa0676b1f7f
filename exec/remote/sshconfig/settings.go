package sshconfig

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Settings are what a configuration says about one host.
type Settings struct {
	Original     string // the name asked for
	HostName     string // the name or address to connect to
	User         string
	Port         int
	ProxyJump    string // "" is none
	ProxyCommand string // "" is none; tokens are expanded
	ProxyPasses  bool   // the ProxyCommand passes a connection on, and ends: ProxyUseFdpass

	AddressFamily string // "inet", "inet6" or "any"
	BindAddress   string // to connect from; "" is any
	BindInterface string // to connect from the addresses of; "" is any
	Attempts      int    // ConnectionAttempts

	IdentityFiles    []string
	NamedIdentities  bool // by IdentityFile
	CertificateFiles []string
	IdentitiesOnly   bool
	IdentityAgent    string // the agent's socket; "" is none
	NoPublicKeys     string // the line that switches off public keys; "" is none

	UserKnownHosts    []string
	GlobalKnownHosts  []string
	KnownHostsCommand string // "" is none
	RevokedHostKeys   string // a file; "" is none
	StrictHostKeys    string // "yes", "no", "ask" or "accept-new"
	HostKeyAlias      string
	HashKnownHosts    bool
	UpdateHostKeys    bool // and not only after a question
	RequiredRSASize   int  // bits

	// Algorithms, nil where the configuration says nothing.
	HostKeyAlgorithms, KexAlgorithms, Ciphers, MACs, PubkeyAlgorithms, CASignatureAlgorithms []string

	RekeyLimit     int64 // bytes; 0 is the default
	ConnectTimeout time.Duration
	AliveInterval  time.Duration
	AliveCountMax  int // 0: the configuration says nothing

	Warnings []string // lines that ask for what muster does not do
}

var (
	defaultIdentities = []string{"~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk",
		"~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa"}
	defaultGlobalKnownHosts = []string{"/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"}
)

// Settings turns the values into settings: defaults are filled in, ~ and % are expanded.
func (v *Values) Settings() (*Settings, error) {
	b := &builder{Values: v}
	s := &Settings{
		Original:        v.query.Host,
		HostName:        v.host,
		User:            v.user,
		Port:            v.port(),
		AddressFamily:   v.or("addressfamily"),
		BindAddress:     v.first("bindaddress"),
		BindInterface:   v.first("bindinterface"),
		Attempts:        b.number("connectionattempts"),
		IdentitiesOnly:  v.first("identitiesonly") == "yes",
		IdentityAgent:   b.agent(),
		RevokedHostKeys: v.first("revokedhostkeys"),
		StrictHostKeys:  strictness(v.first("stricthostkeychecking")),
		HostKeyAlias:    v.first("hostkeyalias"),
		HashKnownHosts:  v.first("hashknownhosts") == "yes",
		UpdateHostKeys:  v.first("updatehostkeys") == "true",
		RequiredRSASize: b.number("requiredrsasize"),
		ConnectTimeout:  b.duration("connecttimeout"),
		AliveInterval:   b.duration("serveraliveinterval"),
		AliveCountMax:   b.number("serveralivecountmax"),
		Warnings:        v.warnings(),
	}
	if v.first("serveralivecountmax") == "" {
		s.AliveCountMax = 0
	}
	if limit := v.values["rekeylimit"]; limit != nil {
		s.RekeyLimit, _ = strconv.ParseInt(limit[0], 10, 64)
	}
	b.proxy(s)
	b.files(s)
	b.publicKeys(s)
	for key, list := range map[string]*[]string{
		"hostkeyalgorithms": &s.HostKeyAlgorithms, "kexalgorithms": &s.KexAlgorithms, "ciphers": &s.Ciphers, "macs": &s.MACs,
		"pubkeyacceptedalgorithms": &s.PubkeyAlgorithms, "casignaturealgorithms": &s.CASignatureAlgorithms,
	} {
		b.algorithms(key, list)
	}
	return s, errors.Join(b.problems...)
}

// A builder fills in the settings of one host, and collects what is wrong with the values.
type builder struct {
	*Values
	problems []error
}

func (b *builder) problem(key string, err error) {
	b.problems = append(b.problems, fmt.Errorf("read ssh configuration of %s: %w", b.query.Host, b.at(key, err)))
}

func (b *builder) number(key string) int {
	n, err := strconv.Atoi(b.or(key))
	if err != nil {
		b.problem(key, err)
	}
	return n
}

func (b *builder) duration(key string) time.Duration {
	if b.or(key) == "none" {
		return 0
	}
	return time.Duration(b.number(key)) * time.Second
}

func (b *builder) proxy(s *Settings) {
	if b.jump != nil {
		var err error
		if s.ProxyJump, err = b.jump.route(b.env); err != nil {
			b.problem("proxyjump", err)
		}
		return
	}
	t := tokens{}
	for _, c := range []byte("hknpr") {
		t[c] = b.tokens[c]
	}
	var err error
	if s.ProxyCommand, err = t.expand(b.Values.first("proxycommand")); err != nil {
		b.problem("proxycommand", err)
	}
	s.ProxyPasses = s.ProxyCommand != "" && b.first("proxyusefdpass") == "yes"
}

func (b *builder) files(s *Settings) {
	s.IdentityFiles = b.paths("identityfile", defaultIdentities)
	s.NamedIdentities = b.values["identityfile"] != nil
	s.CertificateFiles = b.paths("certificatefile", nil)
	s.UserKnownHosts = withoutNone(b.values["userknownhostsfile"])
	s.GlobalKnownHosts = defaultGlobalKnownHosts
	if names := b.values["globalknownhostsfile"]; names != nil {
		s.GlobalKnownHosts = withoutNone(names)
	}
	s.KnownHostsCommand = b.first("knownhostscommand")
	if s.KnownHostsCommand != "" {
		if _, err := b.tokens.and("f", "", "H", "", "I", "", "K", "", "t", "").expand(s.KnownHostsCommand); err != nil {
			b.problem("knownhostscommand", err)
		}
	}
}

func withoutNone(names []string) (out []string) {
	for _, name := range names {
		if !strings.EqualFold(name, "none") {
			out = append(out, name)
		}
	}
	return out
}

// paths are the files a keyword names, or else the default ones.
func (b *builder) paths(key string, defaults []string) (out []string) {
	names := b.values[key]
	if names == nil {
		names = defaults
	}
	for _, name := range withoutNone(names) {
		path, err := b.tokens.path(name, b.env)
		if err != nil {
			b.problem(key, fmt.Errorf("%s: %w", name, err))
		} else if path != "" && !slices.Contains(out, path) {
			out = append(out, path)
		}
	}
	return out
}

func (b *builder) agent() string {
	switch agent := b.first("identityagent"); {
	case agent == "" || agent == "SSH_AUTH_SOCK":
		socket, _ := b.env.lookup("SSH_AUTH_SOCK")
		return socket
	case agent == "none":
		return ""
	case strings.HasPrefix(agent, "$"):
		socket, _ := b.env.lookup(agent[1:])
		return socket
	default:
		return agent
	}
}

// publicKeys finds out whether the configuration lets public keys be offered.
func (b *builder) publicKeys(s *Settings) {
	if b.first("pubkeyauthentication") == "false" {
		s.NoPublicKeys = b.places["pubkeyauthentication"] + ": PubkeyAuthentication no"
	}
	if methods := b.first("preferredauthentications"); methods != "" && !slices.Contains(strings.Split(methods, ","), "publickey") {
		s.NoPublicKeys = b.places["preferredauthentications"] + ": PreferredAuthentications " + methods
	}
}

// algorithms sets a list where the configuration says something about it.
func (b *builder) algorithms(key string, list *[]string) {
	if b.first(key) == "" {
		return
	}
	var err error
	if *list, err = b.Values.algorithms(key); err != nil {
		b.problem(key, err)
	}
	if *list == nil {
		*list = []string{}
	}
}

// warnings names the lines that ask for what muster does not do.
func (v *Values) warnings() (warnings []string) {
	for i := range keywords {
		k := &keywords[i]
		value := v.first(k.name)
		if k.use != warned || value == "" || value == k.initial || k.name == "permitlocalcommand" && v.first("localcommand") == "" {
			continue
		}
		warnings = append(warnings, fmt.Sprintf("%s: %s %s: %s", v.places[k.name], k.name, value, k.why))
	}
	return warnings
}

// KnownHostsArgs are the words of a KnownHostsCommand. host is a name as known_hosts writes it, purpose is why the keys
// are wanted: ORDER, HOSTNAME or ADDRESS. The others describe the key that the host shows, if it has shown one.
func (v *Values) KnownHostsArgs(host, purpose, keyType, key, fingerprint string) ([]string, error) {
	words, err := splitWords(v.first("knownhostscommand"))
	if err != nil {
		return nil, v.at("knownhostscommand", err)
	}
	t := v.tokens.and("f", cmp.Or(fingerprint, "NONE"), "H", host, "I", purpose, "K", cmp.Or(key, "NONE"), "t", cmp.Or(keyType, "NONE"))
	for i, w := range words {
		if words[i], err = t.expand(w); err != nil {
			return nil, v.at("knownhostscommand", err)
		}
	}
	return words, nil
}

// strictness is a value of StrictHostKeyChecking by the name the manual uses: ssh -G prints booleans differently.
func strictness(value string) string {
	switch value {
	case "", "true":
		return "yes"
	case "false":
		return "no"
	}
	return value
}
