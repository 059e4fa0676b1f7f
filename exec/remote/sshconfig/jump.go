package sshconfig

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// A jump is a value of ProxyJump.
type jump struct {
	before string // the way to the last jump host; "" is direct
	user   string
	host   string // "none" is no jump
	port   int    // 0: as configured
}

// parseJump reads a value of ProxyJump, which ends at a blank or a comment. "none" with either behind it is the name of a host,
// as it is to ssh.
func parseJump(value string, env *Env) (jump, error) {
	if strings.EqualFold(value, "none") {
		return jump{host: "none"}, nil
	}
	text, _, _ := strings.Cut(value, "#")
	if text != "" {
		if i := strings.IndexAny(text[1:], " \t\v\f\r\n"); i >= 0 {
			text = text[:i+1]
		}
	}
	var last jump
	hops := strings.Split(text, ",")
	for i := len(hops) - 1; i >= 0; i-- {
		user, host, port, err := parseDestination(hops[i], env)
		if err != nil {
			return jump{}, fmt.Errorf("jump host %q: %w", hops[i], err)
		}
		if i == len(hops)-1 {
			last = jump{user: user, host: host, port: port}
		}
	}
	last.before = strings.Join(hops[:len(hops)-1], ",")
	return last, nil
}

// parseDestination reads [user@]host[:port] or ssh://[user@]host[:port].
func parseDestination(text string, env *Env) (user, host string, port int, err error) {
	uri, isURI := strings.CutPrefix(text, "ssh://")
	rest := uri
	at := strings.LastIndexByte(rest, '@')
	if isURI {
		at = strings.IndexByte(rest, '@')
	}
	if at == 0 {
		return "", "", 0, errors.New("no user before @")
	}
	if at > 0 {
		user, rest = rest[:at], rest[at+1:]
		if isURI {
			user, _, _ = strings.Cut(user, ";")
			if user, err = url.QueryUnescape(user); err != nil {
				return "", "", 0, err
			}
		}
	}
	host, portText, ok := cutHost(rest)
	if !ok || host == "" {
		return "", "", 0, errors.New("no host")
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	if isURI {
		if !isDomain(host) {
			return "", "", 0, errors.New("no host")
		}
		host = strings.TrimSuffix(host, ".")
		path := portText
		if !strings.HasSuffix(rest, "/"+portText) {
			portText, path, _ = strings.Cut(portText, "/")
		} else {
			portText = ""
		}
		if path != "" {
			return "", "", 0, errors.New("a path is not possible")
		}
	}
	if portText != "" {
		if port, err = parsePort(portText, env); err != nil || port == 0 {
			return "", "", 0, fmt.Errorf("%q is not a port", portText)
		}
	}
	return user, host, port, nil
}

func (j jump) String() string {
	var b strings.Builder
	if j.before != "" {
		b.WriteString(j.before + ",")
	}
	if j.user != "" {
		b.WriteString(j.user + "@")
	}
	if strings.Contains(j.host, ":") || strings.Trim(j.host, "0123456789.") == "" {
		b.WriteString("[" + j.host + "]")
	} else {
		b.WriteString(j.host)
	}
	if j.port > 0 {
		b.WriteString(":" + strconv.Itoa(j.port))
	}
	return b.String()
}

// SplitJump splits the value of a ProxyJump into its last hop and the way to that hop, "" where it is direct.
func SplitJump(jump string) (before string, last Query, err error) {
	text := jump
	if i := strings.LastIndexByte(jump, ','); i >= 0 {
		before, text = strings.TrimSpace(jump[:i]), jump[i+1:]
	}
	last, err = parseHop(strings.TrimSpace(text))
	return before, last, err
}

// parseHop reads one hop of a ProxyJump: [user@]host[:port], with IPv6 in brackets, or ssh://[user@]host[:port].
func parseHop(text string) (Query, error) {
	hop := Query{}
	rest := strings.TrimSuffix(strings.TrimPrefix(text, "ssh://"), "/")
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		hop.User, rest = rest[:at], rest[at+1:]
		if hop.User == "" {
			return hop, fmt.Errorf("jump host %q: no user before @", text)
		}
	}
	hop.Host = rest
	if host, port, err := net.SplitHostPort(rest); err == nil {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			return hop, fmt.Errorf("jump host %q: %q is not a port", text, port)
		}
		hop.Host, hop.Port = host, int(number)
	} else {
		hop.Host = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]")
	}
	if hop.Host == "" {
		return hop, fmt.Errorf("jump host %q: no host", text)
	}
	return hop, nil
}

// route is the whole way for SplitJump: the ports of the jump hosts before the last one are numbers too.
func (j jump) route(env *Env) (string, error) {
	last := j
	last.before = ""
	hops := []string{last.String()}
	if j.before != "" {
		hops = nil
		for hop := range strings.SplitSeq(j.before, ",") {
			user, host, port, err := parseDestination(strings.TrimSpace(hop), env)
			if err != nil {
				return "", fmt.Errorf("jump host %q: %w", hop, err)
			}
			hops = append(hops, jump{user: user, host: host, port: port}.String())
		}
		hops = append(hops, last.String())
	}
	return strings.Join(hops, ","), nil
}
