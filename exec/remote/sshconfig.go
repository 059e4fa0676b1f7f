package remote

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// settings is what the ssh configuration, and what overrides it, say about one host.
type settings struct {
	Original          string // the name asked for
	HostName          string // the name or address to connect to
	User              string
	Port              int
	IdentityFiles     []string
	CertificateFiles  []string
	IdentitiesOnly    bool
	IdentityAgent     string // socket; "" is none
	ProxyJump         string // "" is none
	ProxyCommand      string // "" is none; tokens expanded
	UserKnownHosts    []string
	GlobalKnownHosts  []string
	StrictHostKeys    string
	HostKeyAlias      string
	HashKnownHosts    bool
	HostKeyAlgorithms string
	ConnectTimeout    time.Duration
	AliveInterval     time.Duration
	AliveCountMax     int
}

// A query is a host as it is asked for.
type query struct {
	host        string
	user        string // "" is as configured, else defaultUser
	port        int    // 0 is as configured, else 22
	defaultUser string
}

// resolve finds the settings of one host: from the files, or, where they hold something only ssh understands, from ssh
// itself if Config.Resolve can run it.
func (d *Dialer) resolve(ctx context.Context, q query) (*settings, error) {
	if q.host == "" || strings.HasPrefix(q.host, "-") || strings.ContainsAny(q.host, " \t\r\n\x00") {
		return nil, fmt.Errorf("connect to %q: not a host's name or address", q.host)
	}
	var values map[string][]string
	var err error
	if values, err = d.readConfig(q); err != nil && d.config.Resolve != nil {
		values, err = d.askSSH(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	return d.settings(q, values)
}

// askSSH runs ssh -G and reads its answer.
func (d *Dialer) askSSH(ctx context.Context, q query) (map[string][]string, error) {
	args := []string{"-G"}
	if d.config.ConfigFile != "" {
		args = append(args, "-F", d.config.ConfigFile)
	}
	if q.user != "" {
		args = append(args, "-l", q.user)
	}
	if q.port != 0 {
		args = append(args, "-p", strconv.Itoa(q.port))
	}
	out, err := d.config.Resolve(ctx, append(args, "--", q.host))
	if err != nil {
		return nil, fmt.Errorf("ask ssh about %s: %w", q.host, err)
	}
	values := parseAnswer(out)
	for i, name := range values["hostname"] { // the one thing in it that is expanded already
		values["hostname"][i] = strings.ReplaceAll(name, "%", "%%")
	}
	// ssh's answer does not tell a configured user from the local one, which it falls back to. The files do, unless
	// they hold something only ssh understands; then the answer stands.
	if own, err := d.readConfig(q); err == nil && len(own["user"]) == 0 {
		delete(values, "user")
	}
	return values, nil
}

// parseAnswer reads what ssh -G prints: a keyword and its value on each line.
func parseAnswer(out []byte) map[string][]string {
	values := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		if !ok {
			continue
		}
		if manyValues[key] {
			values[key] = append(values[key], strings.Fields(value)...)
		} else {
			values[key] = append(values[key], value)
		}
	}
	return values
}

// manyValues are the keywords whose line holds several values.
var manyValues = map[string]bool{"userknownhostsfile": true, "globalknownhostsfile": true}

// collected are the keywords that add up instead of the first one winning.
var collected = map[string]bool{"identityfile": true, "certificatefile": true}

// settings turns the raw values into settings: defaults, and ~ and % expanded.
func (d *Dialer) settings(q query, values map[string][]string) (*settings, error) {
	first := func(key string) string {
		if v := values[key]; len(v) > 0 {
			return v[0]
		}
		return ""
	}
	s := &settings{
		Original:          q.host,
		User:              cmpOr(q.user, first("user"), q.defaultUser),
		Port:              q.port,
		StrictHostKeys:    strings.ToLower(cmpOr(first("stricthostkeychecking"), "yes")),
		HashKnownHosts:    yes(first("hashknownhosts")),
		IdentitiesOnly:    yes(first("identitiesonly")),
		HostKeyAlgorithms: first("hostkeyalgorithms"),
	}
	switch s.StrictHostKeys { // ssh -G prints booleans its own way
	case "true":
		s.StrictHostKeys = "yes"
	case "false", "off":
		s.StrictHostKeys = "no"
	}
	if s.Port == 0 {
		s.Port = 22
		if text := first("port"); text != "" {
			port, err := strconv.ParseUint(text, 10, 16)
			if err != nil || port == 0 {
				return nil, fmt.Errorf("read ssh configuration of %s: %q is not a port", q.host, text)
			}
			s.Port = int(port)
		}
	}
	t := &tokens{home: d.home, original: q.host, user: s.User, port: strconv.Itoa(s.Port)}
	var problems []error
	expand := func(key, text string, how expansion) string {
		out, err := t.expand(text, how)
		if err != nil {
			problems = append(problems, fmt.Errorf("read ssh configuration of %s: %s %s: %w", q.host, key, text, err))
		}
		return out
	}

	t.host = q.host
	s.HostName = strings.ToLower(expand("HostName", cmpOr(first("hostname"), q.host), justTokens))
	t.host = s.HostName
	t.alias = q.host
	if alias := expand("HostKeyAlias", first("hostkeyalias"), justTokens); alias != "" && alias != "none" {
		s.HostKeyAlias, t.alias = strings.ToLower(alias), alias
	}
	if jump := first("proxyjump"); jump != "none" {
		s.ProxyJump = jump
		t.jump = jump
	}
	if command := first("proxycommand"); command != "none" && s.ProxyJump == "" {
		s.ProxyCommand = expand("ProxyCommand", command, justTokens)
	}

	files := func(key string, fallback ...string) (out []string) {
		from := values[key]
		if len(from) == 0 {
			from = fallback
		}
		for _, f := range from {
			if f == "none" {
				continue
			}
			if f = expand(key, f, paths); f != "" && !slices.Contains(out, f) {
				out = append(out, f)
			}
		}
		return out
	}
	s.IdentityFiles = files("identityfile", "~/.ssh/id_rsa", "~/.ssh/id_ecdsa", "~/.ssh/id_ecdsa_sk", "~/.ssh/id_ed25519",
		"~/.ssh/id_ed25519_sk", "~/.ssh/id_xmss", "~/.ssh/id_dsa")
	s.CertificateFiles = files("certificatefile")
	s.UserKnownHosts = files("userknownhostsfile", "~/.ssh/known_hosts", "~/.ssh/known_hosts2")
	s.GlobalKnownHosts = files("globalknownhostsfile", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")

	switch agent := first("identityagent"); {
	case agent == "" || agent == "SSH_AUTH_SOCK":
		s.IdentityAgent = os.Getenv("SSH_AUTH_SOCK")
	case agent == "none":
	case strings.HasPrefix(agent, "$") && !strings.HasPrefix(agent, "${"):
		s.IdentityAgent = os.Getenv(agent[1:])
	default:
		s.IdentityAgent = expand("IdentityAgent", agent, paths)
	}

	seconds := func(key string) time.Duration {
		text := first(key)
		if text == "" || text == "none" {
			return 0
		}
		took, err := parseSeconds(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("read ssh configuration of %s: %s: %w", q.host, key, err))
		}
		return took
	}
	s.ConnectTimeout = seconds("connecttimeout")
	s.AliveInterval = seconds("serveraliveinterval")
	s.AliveCountMax, _ = strconv.Atoi(first("serveralivecountmax"))
	return s, errors.Join(problems...)
}

func yes(value string) bool {
	value = strings.ToLower(value)
	return value == "yes" || value == "true"
}

func cmpOr(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// parseSeconds reads a time as ssh_config(5) has it: 90, 90s, 1m30s.
func parseSeconds(text string) (time.Duration, error) {
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
		unit, ok := map[rune]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour,
			'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}[r]
		if !ok || !digits {
			return 0, bad
		}
		total, number, digits = total+time.Duration(number)*unit, 0, false
	}
	if total > 0 && !digits {
		return total, nil
	}
	if !digits {
		return 0, bad
	}
	return total + time.Duration(number)*time.Second, nil
}

// tokens are what % stands for in ssh_config(5), TOKENS.
type tokens struct {
	home, original, host, alias, user, port, jump string
}

type expansion int

const (
	justTokens expansion = iota
	paths                // ~ and ${NAME} too
)

func (t *tokens) expand(text string, how expansion) (string, error) {
	if how == paths {
		if rest, ok := strings.CutPrefix(text, "~"); ok {
			name, rest, _ := strings.Cut(rest, "/")
			home := t.home
			if name != "" {
				u, err := user.Lookup(name)
				if err != nil {
					return "", fmt.Errorf("there is no user %s", name)
				}
				home = u.HomeDir
			}
			text = home + "/" + rest
		}
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '%':
			i++
			if i == len(text) {
				return "", errors.New("nothing follows the last %")
			}
			value, err := t.token(text[i])
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		case how == paths && strings.HasPrefix(text[i:], "${"):
			name, _, ok := strings.Cut(text[i+2:], "}")
			if !ok {
				return "", errors.New("${ without }")
			}
			value, ok := os.LookupEnv(name)
			if !ok {
				return "", fmt.Errorf("the environment has no %s", name)
			}
			b.WriteString(value)
			i += len(name) + 2
		default:
			b.WriteByte(text[i])
		}
	}
	return b.String(), nil
}

func (t *tokens) token(c byte) (string, error) {
	switch c {
	case '%':
		return "%", nil
	case 'd':
		return t.home, nil
	case 'h':
		return t.host, nil
	case 'i':
		return strconv.Itoa(os.Getuid()), nil
	case 'j':
		return t.jump, nil
	case 'k':
		return t.alias, nil
	case 'L', 'l':
		name, err := os.Hostname()
		if c == 'L' {
			name, _, _ = strings.Cut(name, ".")
		}
		return name, err
	case 'n':
		return t.original, nil
	case 'p':
		return t.port, nil
	case 'r':
		return t.user, nil
	case 'u':
		return localUser(), nil
	}
	return "", fmt.Errorf("%%%c is not supported here", c)
}

func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// homeDir is the user's home as ssh finds it: from the password database, whatever $HOME says.
func homeDir() string {
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil && u.HomeDir != "" {
		return u.HomeDir
	}
	home, _ := os.UserHomeDir()
	return home
}

// splitHop reads one hop of a ProxyJump: [user@]host[:port], with IPv6 in brackets, or ssh://[user@]host[:port].
func splitHop(text string) (query, error) {
	hop := query{}
	rest := strings.TrimSuffix(strings.TrimPrefix(text, "ssh://"), "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		hop.user, rest = rest[:at], rest[at+1:]
		if hop.user == "" {
			return hop, fmt.Errorf("jump host %q: no user before @", text)
		}
	}
	hop.host = rest
	if host, port, err := net.SplitHostPort(rest); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return hop, fmt.Errorf("jump host %q: %q is not a port", text, port)
		}
		hop.host, hop.port = host, int(number)
	} else {
		hop.host = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]")
	}
	if hop.host == "" {
		return hop, fmt.Errorf("jump host %q: no host", text)
	}
	return hop, nil
}

// readConfig reads the configuration files the way ssh does: per keyword the first value wins.
func (d *Dialer) readConfig(q query) (map[string][]string, error) {
	r := &configReader{home: d.home, query: q, values: map[string][]string{}}
	for {
		if d.config.ConfigFile != "" {
			if d.config.ConfigFile == "none" {
				return r.values, nil
			}
			if err := r.file(d.config.ConfigFile, true, true, 0); err != nil {
				return nil, err
			}
		} else {
			for i, name := range []string{filepath.Join(d.home, ".ssh/config"), d.systemConfig} {
				if err := r.file(name, true, i == 0, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
					return nil, err
				}
			}
		}
		// "Match final" asks for a second reading, with the host's final name.
		if !r.wantsFinal || r.final {
			return r.values, nil
		}
		r.final = true
	}
}

type configReader struct {
	home       string
	query      query
	values     map[string][]string
	final      bool // this is the second reading
	wantsFinal bool
}

// file reads one file into values. userFile is true for what belongs to the user, whose relative includes are meant
// from ~/.ssh, not /etc/ssh. active says whether the lines before the first Host or Match count.
func (r *configReader) file(name string, active, userFile bool, depth int) error {
	if depth > 16 {
		return fmt.Errorf("read ssh configuration %s: includes nested too deeply", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read ssh configuration: %w", err)
	}
	enclosing := active
	lines := bufio.NewScanner(strings.NewReader(string(data)))
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		key, args, err := splitLine(lines.Text())
		at := func(err error) error { return fmt.Errorf("%s:%d: %w", name, n, err) }
		if err != nil {
			return at(err)
		}
		switch key {
		case "":
		case "host":
			active = enclosing && matchList(r.query.host, args)
		case "match":
			// Read the criteria even where they cannot count, as ssh does, but do not mind what is in them.
			matched, err := r.match(args)
			if enclosing && err != nil {
				return at(err)
			}
			active = enclosing && matched
		case "include":
			if err := r.include(args, active, userFile, depth); err != nil {
				return at(err)
			}
		default:
			if active {
				r.set(key, args)
			}
		}
	}
	return lines.Err()
}

func (r *configReader) include(args []string, active, userFile bool, depth int) error {
	for _, pattern := range args {
		if rest, ok := strings.CutPrefix(pattern, "~/"); ok {
			pattern = filepath.Join(r.home, rest)
		} else if !filepath.IsAbs(pattern) {
			dir := "/etc/ssh"
			if userFile {
				dir = filepath.Join(r.home, ".ssh")
			}
			pattern = filepath.Join(dir, pattern)
		}
		names, err := filepath.Glob(pattern)
		if err != nil {
			return fmt.Errorf("include %s: %w", pattern, err)
		}
		for _, name := range names {
			if err := r.file(name, active, userFile, depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *configReader) set(key string, args []string) {
	if len(args) == 0 {
		return
	}
	// Of these two, whichever comes first wins over the other, too; but not "ProxyJump none".
	if key == "proxyjump" && r.values["proxycommand"] != nil {
		return
	}
	if jump := r.values["proxyjump"]; key == "proxycommand" && jump != nil && jump[0] != "none" {
		return
	}
	_, set := r.values[key]
	switch {
	case collected[key]:
		if !slices.Contains(r.values[key], args[0]) {
			r.values[key] = append(r.values[key], args[0])
		}
	case set:
	case manyValues[key]:
		r.values[key] = args
	default:
		r.values[key] = args[:1]
	}
}

// match evaluates the criteria of a Match line, left to right, as far as needed.
func (r *configReader) match(args []string) (bool, error) {
	if len(args) == 0 {
		return false, errors.New("match: no criteria")
	}
	matched := true
	for i := 0; i < len(args); i++ {
		word, negated := strings.CutPrefix(strings.ToLower(args[i]), "!")
		if word == "all" {
			if negated {
				matched = false
			}
			continue
		}
		if word == "canonical" || word == "final" {
			// Without CanonicalizeHostname there is no canonical pass but the final one.
			if word == "final" {
				r.wantsFinal = true
			}
			if r.final == negated {
				matched = false
			}
			continue
		}
		value, ok := "", false
		if word, value, ok = strings.Cut(word, "="); ok {
			value = args[i][len(args[i])-len(value):]
		} else if i+1 < len(args) {
			i++
			value = args[i]
		} else {
			return false, fmt.Errorf("match %s: no value", word)
		}
		var this bool
		switch word {
		case "host":
			this = matchList(r.hostName(), strings.Split(value, ","))
		case "originalhost":
			this = matchList(r.query.host, strings.Split(value, ","))
		case "user":
			this = matchList(r.userName(), strings.Split(value, ","))
		case "localuser":
			this = matchList(localUser(), strings.Split(value, ","))
		case "exec", "localnetwork", "tagged", "version", "sessiontype", "command":
			if matched {
				return false, fmt.Errorf("match %s: only ssh itself can tell", word)
			}
		default:
			return false, fmt.Errorf("match: unknown criterion %s", word)
		}
		if this == negated {
			matched = false
		}
	}
	return matched, nil
}

// hostName is the name to connect to, as far as the lines read by now say.
func (r *configReader) hostName() string {
	if v := r.values["hostname"]; len(v) > 0 {
		t := tokens{host: r.query.host, original: r.query.host}
		if name, err := t.expand(v[0], justTokens); err == nil {
			return name
		}
	}
	return r.query.host
}

func (r *configReader) userName() string {
	if r.query.user != "" {
		return r.query.user
	}
	if v := r.values["user"]; len(v) > 0 {
		return v[0]
	}
	return localUser()
}

// splitLine reads "Keyword arg arg", "Keyword=arg" and "Keyword = arg", with quotes and comments.
func splitLine(line string) (key string, args []string, err error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", nil, nil
	}
	end := strings.IndexAny(line, " \t=\"")
	if end < 0 {
		end = len(line)
	}
	key = strings.ToLower(line[:end])
	rest := strings.TrimLeft(line[end:], " \t")
	if after, ok := strings.CutPrefix(rest, "="); ok {
		rest = strings.TrimLeft(after, " \t")
	}
	if key == "proxycommand" { // the rest of the line, as it is
		if rest == "" {
			return "", nil, errors.New("proxycommand: no value")
		}
		return key, []string{rest}, nil
	}
	args, err = splitWords(rest)
	if err == nil && len(args) == 0 {
		err = errors.New("no value")
	}
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", key, err)
	}
	return key, args, nil
}

// splitWords splits at blanks outside of quotes; a word that starts with # ends the line.
func splitWords(text string) (words []string, err error) {
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			i++
			continue
		}
		if text[i] == '#' {
			break
		}
		var b strings.Builder
		quote := byte(0)
		for ; i < len(text); i++ {
			c := text[i]
			if c == '\\' && i+1 < len(text) && (strings.IndexByte(`"'\`, text[i+1]) >= 0 || quote == 0 && text[i+1] == ' ') {
				i++
				b.WriteByte(text[i])
			} else if quote == 0 && (c == ' ' || c == '\t') {
				break
			} else if quote == 0 && (c == '"' || c == '\'') {
				quote = c
			} else if c == quote && quote != 0 {
				quote = 0
			} else {
				b.WriteByte(c)
			}
		}
		if quote != 0 {
			return nil, errors.New("quote without end")
		}
		words = append(words, b.String())
	}
	return words, nil
}

// matchList reports whether name matches one of the patterns and none of those behind a "!".
func matchList(name string, patterns []string) bool {
	name = strings.ToLower(name)
	found := false
	for _, p := range patterns {
		p, negated := strings.CutPrefix(strings.ToLower(p), "!")
		if matchPattern(name, p) {
			if negated {
				return false
			}
			found = true
		}
	}
	return found
}

// matchPattern matches * and ?, which stand for anything, in time linear in the name for each star.
func matchPattern(name, pattern string) bool {
	star, mark := -1, 0
	n, p := 0, 0
	for n < len(name) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, n
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == name[n]):
			p++
			n++
		case star >= 0:
			mark++
			p, n = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
