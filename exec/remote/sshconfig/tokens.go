package sshconfig

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// tokens are what %h and the like stand for: ssh_config(5), TOKENS.
type tokens struct {
	env                                     *Env
	original, host, alias, user, port, jump string
}

type expansion int

const (
	justTokens expansion = iota
	paths                // ~ and ${NAME} too
)

func (t *tokens) expand(text string, how expansion) (string, error) {
	if how == paths && strings.HasPrefix(text, "~") {
		var err error
		if text, err = t.tilde(text); err != nil {
			return "", err
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
			value, ok := t.env.lookup(name)
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

// tilde replaces ~ or ~user at the beginning of a path.
func (t *tokens) tilde(text string) (string, error) {
	name, rest, _ := strings.Cut(text[1:], "/")
	if name == "" {
		return t.env.Home + "/" + rest, nil
	}
	if t.env.HomeOf != nil {
		if home, err := t.env.HomeOf(name); err == nil {
			return home + "/" + rest, nil
		}
	}
	return "", fmt.Errorf("there is no user %s", name)
}

func (t *tokens) token(c byte) (string, error) {
	switch c {
	case '%':
		return "%", nil
	case 'd':
		return t.env.Home, nil
	case 'h':
		return t.host, nil
	case 'i':
		return strconv.Itoa(t.env.UserID), nil
	case 'j':
		return t.jump, nil
	case 'k':
		return t.alias, nil
	case 'L', 'l':
		if t.env.HostName == "" {
			return "", fmt.Errorf("%%%c: the name of this machine is unknown", c)
		}
		if c == 'L' {
			short, _, _ := strings.Cut(t.env.HostName, ".")
			return short, nil
		}
		return t.env.HostName, nil
	case 'n':
		return t.original, nil
	case 'p':
		return t.port, nil
	case 'r':
		return t.user, nil
	case 'u':
		return t.env.User, nil
	}
	return "", fmt.Errorf("%%%c is not supported here", c)
}
