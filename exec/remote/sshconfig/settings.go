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

// A Query is a host as the user asks for it.
type Query struct {
	Host        string
	User        string // "": as configured, else DefaultUser
	Port        int    // 0: as configured, else 22
	DefaultUser string
}

// Settings are what a configuration says about one host.
type Settings struct {
	Original          string // the name asked for
	HostName          string // the name or address to connect to
	User              string
	Port              int
	IdentityFiles     []string
	CertificateFiles  []string
	IdentitiesOnly    bool
	IdentityAgent     string // the agent's socket; "" is none
	ProxyJump         string // "" is none
	ProxyCommand      string // "" is none; tokens are expanded
	UserKnownHosts    []string
	GlobalKnownHosts  []string
	StrictHostKeys    string // "yes", "no", "ask" or "accept-new"
	HostKeyAlias      string
	HashKnownHosts    bool
	HostKeyAlgorithms string // a list for ChooseAlgorithms
	ConnectTimeout    time.Duration
	AddressFamily     string // "inet", "inet6", or "" for any
	AliveInterval     time.Duration
	AliveCountMax     int
}

// Settings turns raw values into settings: defaults are filled in, ~ and % are expanded.
func (v Values) Settings(q Query, env Env) (*Settings, error) {
	b := &builder{query: q, values: v, env: &env}
	port, err := b.port()
	if err != nil {
		return nil, err
	}
	s := &Settings{
		Original:          q.Host,
		User:              cmp.Or(q.User, v.first("user"), q.DefaultUser),
		Port:              port,
		StrictHostKeys:    strictness(v.first("stricthostkeychecking")),
		HashKnownHosts:    isYes(v.first("hashknownhosts")),
		IdentitiesOnly:    isYes(v.first("identitiesonly")),
		HostKeyAlgorithms: v.first("hostkeyalgorithms"),
	}
	if family := strings.ToLower(v.first("addressfamily")); family != "any" {
		s.AddressFamily = family
	}
	b.tokens = tokens{env: &env, original: q.Host, host: q.Host, user: s.User, port: strconv.Itoa(port)}
	b.name(s) // first: other values can refer to the name
	b.proxy(s)
	b.files(s)
	b.agent(s)
	b.times(s)
	return s, errors.Join(b.problems...)
}

// A builder fills in the settings of one host, and collects what is wrong with the values.
type builder struct {
	query    Query
	values   Values
	env      *Env
	tokens   tokens
	problems []error
}

func (b *builder) errorf(format string, args ...any) error {
	return fmt.Errorf("read ssh configuration of %s: "+format, append([]any{b.query.Host}, args...)...)
}

func (b *builder) port() (int, error) {
	if b.query.Port != 0 {
		return b.query.Port, nil
	}
	text := cmp.Or(b.values.first("port"), "22")
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, b.errorf("%q is not a port", text)
	}
	return int(port), nil
}

func (b *builder) name(s *Settings) {
	s.HostName = strings.ToLower(b.query.Host) // where % begins the zone of an address
	if name := b.values.first("hostname"); name != "" {
		s.HostName = strings.ToLower(b.expand("HostName", name, justTokens))
	}
	b.tokens.host = s.HostName
	b.tokens.alias = b.query.Host
	if alias := b.expand("HostKeyAlias", b.values.first("hostkeyalias"), justTokens); alias != "" && alias != "none" {
		s.HostKeyAlias, b.tokens.alias = strings.ToLower(alias), alias
	}
}

func (b *builder) proxy(s *Settings) {
	if jump := b.values.first("proxyjump"); jump != "none" {
		s.ProxyJump, b.tokens.jump = jump, jump
	}
	if command := b.values.first("proxycommand"); command != "none" && s.ProxyJump == "" {
		s.ProxyCommand = b.expand("ProxyCommand", command, justTokens)
	}
}

func (b *builder) files(s *Settings) {
	s.IdentityFiles = b.paths("identityfile", "~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk",
		"~/.ssh/id_ed25519", "~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa")
	s.CertificateFiles = b.paths("certificatefile")
	s.UserKnownHosts = b.paths("userknownhostsfile", "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	s.GlobalKnownHosts = b.paths("globalknownhostsfile", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
}

// paths are the files a keyword names, or else the default ones.
func (b *builder) paths(key string, defaults ...string) (out []string) {
	names := b.values[key]
	if len(names) == 0 {
		names = defaults
	}
	for _, name := range names {
		if name == "none" {
			continue
		}
		if name = b.expand(key, name, paths); name != "" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

func (b *builder) agent(s *Settings) {
	switch agent := b.values.first("identityagent"); {
	case agent == "" || agent == "SSH_AUTH_SOCK":
		s.IdentityAgent, _ = b.env.lookup("SSH_AUTH_SOCK")
	case agent == "none":
	case strings.HasPrefix(agent, "$") && !strings.HasPrefix(agent, "${"):
		s.IdentityAgent, _ = b.env.lookup(agent[1:])
	default:
		s.IdentityAgent = b.expand("IdentityAgent", agent, paths)
	}
}

func (b *builder) times(s *Settings) {
	s.ConnectTimeout = b.duration("connecttimeout")
	s.AliveInterval = b.duration("serveraliveinterval")
	s.AliveCountMax, _ = strconv.Atoi(b.values.first("serveralivecountmax"))
}

func (b *builder) duration(key string) time.Duration {
	text := b.values.first(key)
	if text == "" || text == "none" {
		return 0
	}
	d, err := parseDuration(text)
	if err != nil {
		b.problems = append(b.problems, b.errorf("%s: %w", key, err))
	}
	return d
}

func (b *builder) expand(key, text string, how expansion) string {
	out, err := b.tokens.expand(text, how)
	if err != nil {
		b.problems = append(b.problems, b.errorf("%s %s: %w", key, text, err))
	}
	return out
}

// strictness is a value of StrictHostKeyChecking by the name the manual uses: ssh -G prints booleans differently.
func strictness(value string) string {
	switch value = strings.ToLower(value); value {
	case "", "true":
		return "yes"
	case "false", "off":
		return "no"
	}
	return value
}

func isYes(value string) bool {
	value = strings.ToLower(value)
	return value == "yes" || value == "true"
}

var units = map[rune]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

// maxDuration is far beyond any use, and so far below the largest that sums do not overflow.
const maxDuration = 1e9 * time.Second

// parseDuration reads a time as ssh_config(5) writes it: 90, 90s, 1m30s.
func parseDuration(text string) (time.Duration, error) {
	bad := fmt.Errorf("%q is not a time", text)
	total, number, digits := time.Duration(0), int64(0), false
	for _, r := range strings.ToLower(text) {
		if r >= '0' && r <= '9' {
			if number = number*10 + int64(r-'0'); number > 1e8 {
				return 0, bad
			}
			digits = true
			continue
		}
		unit, ok := units[r]
		if !ok || !digits {
			return 0, bad
		}
		if number > int64((maxDuration-total)/unit) {
			return 0, bad
		}
		total, number, digits = total+time.Duration(number)*unit, 0, false
	}
	if total == 0 && !digits {
		return 0, bad
	}
	return total + time.Duration(number)*time.Second, nil
}
