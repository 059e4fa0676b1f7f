package sshconfig

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

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
