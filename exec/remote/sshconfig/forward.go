package sshconfig

import (
	"fmt"
	"strconv"
	"strings"
)

// A forwardKind is a keyword that forwards a port.
type forwardKind struct {
	dynamic bool // no place to connect to is named
	remote  bool
}

// forwarding reads a port to forward: where to listen and, unless it is a proxy, where to connect to. The value is how
// ssh -G prints it.
func forwarding(kind forwardKind) parser {
	return func(l *line, env *Env) ([]string, error) {
		spec, err := l.next()
		if err != nil {
			return nil, err
		}
		kind := kind
		if !kind.dynamic {
			switch target, ok := l.more(); {
			case ok && target != "":
				spec += ":" + target
			case kind.remote:
				kind.dynamic = true
			default:
				return nil, errNoValue
			}
		}
		text, err := kind.parse(spec, env)
		if err != nil {
			return nil, fmt.Errorf("%q is not a port to forward", spec)
		}
		return []string{text}, nil
	}
}

// An endpoint is where a forwarding listens, or connects to: a port, of a host if one is given, or the path of a socket.
type endpoint struct {
	host, path string
	hasHost    bool
	port       int // -1: not a port
}

func (e endpoint) String() string {
	switch {
	case e.path != "":
		return e.path
	case e.hasHost:
		return fmt.Sprintf("[%s]:%d", e.host, e.port)
	}
	return strconv.Itoa(e.port)
}

var socks = endpoint{host: "socks", hasHost: true}

func (k forwardKind) parse(spec string, env *Env) (string, error) {
	bad := fmt.Errorf("bad forwarding")
	text, err := expand(spec, nil, env)
	if err != nil {
		return "", err
	}
	fields, ok := splitForward(strings.TrimLeft(text, " \t\n\v\f\r"))
	if !ok {
		return "", bad
	}
	listenAt, connectTo := socks, socks
	path := func(i int) endpoint { return endpoint{path: fields[i].text} }
	alone := func(i int) endpoint { return endpoint{port: portOf(fields[i].text, env)} }
	pair := func(i int) endpoint {
		return endpoint{host: fields[i].text, hasHost: true, port: portOf(fields[i+1].text, env)}
	}
	isPath := func(i int) bool { return fields[i].path }
	switch n := len(fields); {
	case n == 1 && isPath(0):
		listenAt = path(0)
	case n == 1:
		listenAt = alone(0)
	case n == 2 && isPath(0) && isPath(1):
		listenAt, connectTo = path(0), path(1)
	case n == 2 && isPath(1):
		listenAt, connectTo = alone(0), path(1)
	case n == 2:
		listenAt = pair(0)
	case n == 3 && isPath(0):
		listenAt, connectTo = path(0), pair(1)
	case n == 3 && isPath(2):
		listenAt, connectTo = pair(0), path(2)
	case n == 3:
		listenAt, connectTo = alone(0), pair(1)
	default:
		listenAt, connectTo = pair(0), pair(2)
	}
	switch {
	case k.dynamic && len(fields) > 2,
		!k.dynamic && len(fields) < 3 && connectTo.path == "" && listenAt.path == "",
		!k.dynamic && connectTo.path == "" && connectTo.port <= 0,
		listenAt.path == "" && (listenAt.port < 0 || listenAt.port == 0 && !k.remote),
		len(listenAt.path) >= 108, len(connectTo.path) >= 108:
		return "", bad
	}
	if k.dynamic && !k.remote {
		return listenAt.String(), nil
	}
	return listenAt.String() + " " + connectTo.String(), nil
}

func portOf(text string, env *Env) int {
	port, err := parsePort(text, env)
	if err != nil {
		return -1
	}
	return port
}

type forwardField struct {
	text string
	path bool // it holds a slash
}

// splitForward splits at colons, but not in brackets and not behind a backslash. At most four fields are possible.
func splitForward(text string) (fields []forwardField, ok bool) {
	for text != "" && len(fields) < 4 {
		if text[0] == '[' {
			inner, rest, closed := strings.Cut(text[1:], "]")
			if !closed || rest != "" && rest[0] != ':' {
				return nil, false
			}
			fields = append(fields, forwardField{inner, strings.Contains(inner, "/")})
			text = strings.TrimPrefix(rest, ":")
			continue
		}
		var b strings.Builder
		i := 0
		for ; i < len(text) && text[i] != ':'; i++ {
			if text[i] == '\\' {
				if i++; i == len(text) {
					return nil, false
				}
			}
			b.WriteByte(text[i])
		}
		fields = append(fields, forwardField{b.String(), strings.Contains(text[:i], "/")})
		text = strings.TrimPrefix(text[i:], ":")
	}
	return fields, text == "" && len(fields) > 0
}
