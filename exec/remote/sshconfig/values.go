package sshconfig

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A parser reads the value of a keyword, and returns it as ssh -G prints it. A value of nil sets nothing.
type parser func(l *line, env *Env) (value []string, err error)

// word reads one word.
func word(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	return []string{w}, err
}

// command reads the rest of the line.
func command(l *line, _ *Env) ([]string, error) { return []string{l.command()}, nil }

// ignored reads over the value of a keyword that ssh has no use for any more.
func ignored(l *line, _ *Env) ([]string, error) {
	l.all()
	return nil, nil
}

// oneOf reads one of some words, in any case. words holds pairs: what is written, and what it means.
func oneOf(words ...string) parser {
	return func(l *line, _ *Env) ([]string, error) {
		w, err := l.next()
		if err != nil {
			return nil, err
		}
		if meaning, ok := meaning(w, words); ok {
			return []string{meaning}, nil
		}
		return nil, fmt.Errorf("unknown value %q", w)
	}
}

func meaning(w string, words []string) (string, bool) {
	for i := 0; i < len(words); i += 2 {
		if strings.EqualFold(w, words[i]) {
			return words[i+1], true
		}
	}
	return "", false
}

var (
	yesNo     = []string{"yes", "yes", "no", "no", "true", "yes", "false", "no"}
	trueFalse = []string{"yes", "true", "no", "false", "true", "true", "false", "false"}
)

func with(words []string, more ...string) parser {
	return oneOf(append(slices.Clone(words), more...)...)
}

// flag reads yes or no.
var flag = oneOf(yesNo...)

// integer reads a number.
func integer(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	n, err := parseNumber(w, math.MaxInt32)
	if err != nil {
		return nil, err
	}
	return []string{strconv.FormatInt(n, 10)}, nil
}

// parseNumber reads a number from 0 to most as strtonum(3) does.
func parseNumber(text string, most int64) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(text, " \t\n\v\f\r"), 10, 64)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", text, most)
	}
	return n, nil
}

// port reads a port, by its number or by the name of a service.
func port(l *line, env *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	n, err := parsePort(w, env)
	if err == nil && n == 0 {
		err = fmt.Errorf("%q is not a port", w)
	}
	return []string{strconv.Itoa(n)}, err
}

func parsePort(text string, env *Env) (int, error) {
	if n, err := parseNumber(text, 65535); err == nil {
		return int(n), nil
	}
	if env.Service != nil {
		if port, ok := env.Service(text); ok {
			return port, nil
		}
	}
	return 0, fmt.Errorf("%q is not a port", text)
}

// duration reads a time in seconds. "none" sets nothing, so that a later line still can.
func duration(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil || w == "none" {
		return nil, err
	}
	seconds, err := parseSeconds(w)
	return []string{strconv.Itoa(seconds)}, err
}

var units = map[byte]int{'s': 1, 'm': 60, 'h': 3600, 'd': 86400, 'w': 604800}

// parseSeconds reads a time as ssh_config(5) writes it: 90, 90s, 1m30s.
func parseSeconds(text string) (int, error) {
	bad := fmt.Errorf("%q is not a time", text)
	total := 0
	for rest := strings.ToLower(text); rest != ""; {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		number, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil {
			return 0, bad
		}
		unit := 1
		if rest = rest[digits:]; rest != "" {
			if unit = units[rest[0]]; unit == 0 {
				return 0, bad
			}
			rest = rest[1:]
		}
		if int(number) > math.MaxInt32/unit || total > math.MaxInt32-int(number)*unit {
			return 0, bad
		}
		total += int(number) * unit
	}
	if text == "" {
		return 0, bad
	}
	return total, nil
}

// files reads the names of at most 32 files, or "none" alone.
func files(l *line, _ *Env) ([]string, error) {
	words := l.all()
	if len(words) > 32 {
		return nil, errors.New("more than 32 files")
	}
	return words, noneAlone(words)
}

// noneAlone refuses empty words, and "none" beside others.
func noneAlone(words []string) error {
	for _, w := range words {
		if w == "" {
			return errors.New("an empty word")
		}
		if strings.EqualFold(w, "none") && len(words) > 1 {
			return errors.New(`"none" must stand alone`)
		}
	}
	return nil
}

// some refuses a line without words.
func some(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, errNoValue
	}
	return words, nil
}

// algorithms reads a list of algorithms of the keyword.
func algorithms(l *line, env *Env) ([]string, error) {
	key := l.key
	if k := keywordsByName[key]; k != nil {
		key = k.name
	}
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	return []string{w}, env.algorithmsOf(key).check(w)
}

// agentSocket reads the path of an ssh-agent, which may name environment variables.
func agentSocket(l *line, env *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	if _, err := expand(w, nil, env); err != nil {
		return nil, err
	}
	if rest, ok := strings.CutPrefix(w, "$"); ok && !strings.HasPrefix(rest, "{") && !isVariable(rest) {
		return nil, fmt.Errorf("%q is not the name of a variable", w)
	}
	return []string{w}, nil
}

func isVariable(name string) bool {
	return name != "" && strings.Trim(name, "0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

func logVerbose(l *line, _ *Env) ([]string, error) {
	words := l.all()
	if err := noneAlone(words); err != nil || len(words) == 0 {
		return nil, err
	}
	return words[:1], nil // as ssh does
}

func sendEnv(l *line, _ *Env) ([]string, error) {
	words := l.all()
	for _, w := range words {
		if w == "" || strings.Contains(w, "=") {
			return nil, fmt.Errorf("%q is not the name of a variable", w)
		}
	}
	return some(words)
}

func setEnv(l *line, _ *Env) (values []string, err error) {
	named := map[string]bool{}
	for _, w := range l.all() {
		name, _, ok := strings.Cut(w, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not NAME=VALUE", w)
		}
		if !named[name] {
			values = append(values, w)
		}
		named[name] = true
	}
	return some(values)
}

func permitRemoteOpen(l *line, env *Env) ([]string, error) {
	words := l.all()
	for _, w := range words {
		if strings.EqualFold(w, "none") || strings.EqualFold(w, "any") {
			if len(words) > 1 {
				return nil, fmt.Errorf("%q must stand alone", w)
			}
			continue
		}
		_, rest, ok := cutHost(w)
		if rest == "*" && ok {
			continue
		}
		if port, err := parsePort(rest, env); !ok || err != nil || port == 0 {
			return nil, fmt.Errorf("%q is not HOST:PORT", w)
		}
	}
	return some(words)
}

// cutHost splits host:port, in which the host may be in brackets, which it keeps.
func cutHost(text string) (host, rest string, ok bool) {
	end := strings.IndexAny(text, ":/")
	if strings.HasPrefix(text, "[") {
		if end = strings.IndexByte(text, ']') + 1; end == 0 {
			return "", "", false
		}
		if end < len(text) && text[end] != ':' && text[end] != '/' {
			return "", "", false
		}
	}
	if end < 0 || end == len(text) {
		return text, "", true
	}
	return text[:end], text[end+1:], true
}

func canonicalDomains(l *line, _ *Env) (domains []string, err error) {
	words := l.all()
	for _, w := range words {
		if strings.EqualFold(w, "none") && len(words) > 1 {
			return nil, errors.New(`"none" must stand alone`)
		}
		w = strings.ToLower(w)
		if !isDomain(w) {
			return nil, fmt.Errorf("%q is not a domain", w)
		}
		domains = append(domains, strings.TrimSuffix(w, "."))
	}
	return some(domains)
}

// isDomain reports whether ssh takes a text for a domain.
func isDomain(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	name = strings.ToLower(name)
	return name != "" && strings.IndexByte(letters, name[0]) >= 0 && strings.Trim(name, letters+".-_") == "" && !strings.Contains(name, "..")
}

// permittedNames reads pairs of pattern-lists, SOURCE:TARGET.
func permittedNames(l *line, _ *Env) (pairs []string, err error) {
	words := l.all()
	for _, w := range words {
		switch source, target, _ := strings.Cut(strings.ToLower(w), ":"); {
		case strings.EqualFold(w, "none"):
			if len(words) > 1 {
				return nil, errors.New(`"none" must stand alone`)
			}
			pairs = append(pairs, "none")
		case w == "*":
			pairs = append(pairs, "*:*")
		case target == "":
			return nil, fmt.Errorf("%q is not SOURCES:TARGETS", w)
		default:
			pairs = append(pairs, source+":"+target)
		}
	}
	return some(pairs)
}

func channelTimeout(l *line, _ *Env) ([]string, error) {
	words := l.all()
	for _, w := range words {
		if strings.EqualFold(w, "none") {
			if len(words) > 1 {
				return nil, errors.New(`"none" must stand alone`)
			}
			continue
		}
		name, limit, ok := strings.Cut(w, "=")
		if _, err := parseSeconds(limit); !ok || name == "" || err != nil {
			return nil, fmt.Errorf("%q is not CHANNEL=TIME", w)
		}
	}
	return some(words)
}

func keystrokes(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	switch rest, isInterval := strings.CutPrefix(w, "interval:"); {
	case w == "yes" || w == "true":
		return []string{"yes"}, nil
	case w == "no" || w == "false":
		return []string{"no"}, nil
	case isInterval:
		n, err := parseNumber(rest, 1000)
		switch {
		case err == nil && n == 20: // what "yes" is
			return []string{"yes"}, nil
		case err == nil && n > 0:
			return []string{strconv.FormatInt(n, 10)}, nil
		}
	}
	return nil, fmt.Errorf("unknown value %q", w)
}

func escapeChar(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	switch {
	case err != nil:
		return nil, err
	case w == "none":
		return []string{w}, nil
	case len(w) == 1:
		return []string{visible(w[0])}, nil
	case len(w) == 2 && w[0] == '^' && w[1] >= 64 && w[1] < 128:
		return []string{visible(w[1] & 31)}, nil
	}
	return nil, fmt.Errorf("%q is not a character", w)
}

// visible spells a character as ssh -G does.
func visible(c byte) string {
	switch {
	case c == '\\':
		return `\\`
	case c == ' ':
		return `\040`
	case c < ' ' || c == 127:
		return `\^` + string(c^64)
	}
	return string(rune(c))
}

func controlPersist(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	switch {
	case err != nil:
		return nil, err
	case w == "no" || w == "false":
		return []string{"no"}, nil
	case w == "yes" || w == "true":
		return []string{"yes"}, nil
	}
	seconds, err := parseSeconds(w)
	if seconds == 0 {
		return []string{"yes"}, err
	}
	return []string{strconv.Itoa(seconds)}, err
}

func tunnelDevice(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	local, remote, ok := strings.Cut(w, ":")
	if !ok {
		remote = "any"
	}
	for _, device := range []*string{&local, &remote} {
		if strings.EqualFold(*device, "any") {
			*device = "any"
			continue
		}
		n, err := parseNumber(*device, math.MaxInt32-2)
		if err != nil {
			return nil, fmt.Errorf("%q is not a device", w)
		}
		*device = strconv.FormatInt(n, 10)
	}
	return []string{local + ":" + remote}, nil
}

func addKeysToAgent(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	limit, limited := l.more()
	value, known := meaning(w, append(slices.Clone(trueFalse), "ask", "ask", "confirm", "confirm"))
	switch {
	case known && !limited:
		return []string{value}, nil
	case known && value == "confirm":
		seconds, err := parseSeconds(limit)
		if seconds > 0 {
			value += " " + strconv.Itoa(seconds)
		}
		return []string{value}, err
	case known || limited:
		return nil, fmt.Errorf("unknown value %q", w)
	}
	seconds, err := parseSeconds(w)
	if seconds == 0 {
		return []string{"true"}, err
	}
	return []string{strconv.Itoa(seconds)}, err
}

// qualities are the names of IPQoS, and what they stand for in a packet.
var qualities = func() map[string]int {
	values := map[string]int{"none": math.MaxInt32, "ef": 0xb8, "le": 0x04, "lowdelay": 0x10, "throughput": 0x08, "reliability": 0x04}
	for class := range 8 {
		values[fmt.Sprintf("cs%d", class)] = class << 5
	}
	for class := 1; class <= 4; class++ {
		for drop := 1; drop <= 3; drop++ {
			values[fmt.Sprintf("af%d%d", class, drop)] = class<<5 | drop<<3
		}
	}
	return values
}()

func ipQoS(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	interactive, err := quality(w)
	if err != nil {
		return nil, err
	}
	bulk := interactive
	if w, ok := l.more(); ok {
		if bulk, err = quality(w); err != nil {
			return nil, err
		}
	}
	return []string{interactive + " " + bulk}, nil
}

func quality(w string) (string, error) {
	value, ok := qualities[strings.ToLower(w)]
	if !ok {
		n, err := parseNumber(w, 255)
		if err != nil {
			return "", fmt.Errorf("%q is not a quality of service", w)
		}
		value = int(n)
	}
	for _, name := range slices.Sorted(maps.Keys(qualities)) { // "le" is before "reliability", which is the same
		if qualities[name] == value {
			return name, nil
		}
	}
	return fmt.Sprintf("0x%02x", value), nil
}

// rekeyLimit reads a number of bytes and a time. It returns both, "" for one that is not set.
func rekeyLimit(l *line, env *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	bytes := int64(0)
	if w != "default" {
		if bytes, err = parseScaled(w); err != nil {
			return nil, err
		}
		if bytes != 0 && bytes < 16 {
			return nil, errors.New("fewer than 16 bytes")
		}
	}
	interval := ""
	if len(l.args) > 0 {
		value, err := duration(l, env)
		if err != nil {
			return nil, err
		}
		interval = strings.Join(value, "")
	}
	return []string{strconv.FormatInt(bytes, 10), interval}, nil
}

// parseScaled reads a number such as 1G or 1.5M as scan_scaled(3) does.
func parseScaled(text string) (int64, error) {
	bad := fmt.Errorf("%q is not a number of bytes", text)
	number := strings.TrimRight(text, "bkmgtpeBKMGTPE")
	if len(text)-len(number) > 1 {
		return 0, bad
	}
	whole, fraction, _ := strings.Cut(number, ".")
	if whole == "" {
		whole = "0"
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return 0, bad
	}
	scale := int64(1)
	if unit := strings.ToLower(text[len(number):]); unit != "" {
		scale <<= 10 * strings.Index("bkmgtpe", unit)
	}
	if n > math.MaxInt64/scale || n < math.MinInt64/scale {
		return 0, bad
	}
	n *= scale
	if fraction != "" {
		if len(fraction) > 15 || strings.Trim(fraction, "0123456789") != "" {
			return 0, bad
		}
		part, _ := strconv.ParseFloat("0."+fraction, 64)
		n += int64(part * float64(scale))
	}
	return n, nil
}

// bindMask reads an octal number, and passes over what follows it.
func bindMask(l *line, _ *Env) ([]string, error) {
	w, err := l.next()
	if err != nil {
		return nil, err
	}
	digits := w[:len(w)-len(strings.TrimLeft(w, "01234567"))]
	mask, err := strconv.ParseInt(digits, 8, 32)
	if err != nil || mask > 0o777 {
		return nil, fmt.Errorf("%q is not a mode", w)
	}
	return []string{fmt.Sprintf("0%o", mask)}, nil
}

func fingerprintHash(l *line, _ *Env) ([]string, error) {
	return oneOf("md5", "MD5", "sha1", "SHA1", "sha256", "SHA256", "sha384", "SHA384", "sha512", "SHA512")(l, nil)
}

// forwardAgent reads yes, no, or the socket of an agent.
func forwardAgent(l *line, env *Env) ([]string, error) {
	if len(l.args) > 0 {
		if value, ok := meaning(l.args[0], yesNo); ok {
			l.more()
			return []string{value}, nil
		}
	}
	return agentSocket(l, env)
}
