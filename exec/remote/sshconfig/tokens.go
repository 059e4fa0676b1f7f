package sshconfig

import (
	"cmp"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
)

// tokens are what %h and the like stand for: ssh_config(5), TOKENS.
type tokens map[byte]string

// connectionTokens are the tokens that most keywords take.
func connectionTokens(env *Env, original, host, alias, user, port, jump string) tokens {
	short, _, _ := strings.Cut(env.HostName, ".")
	hash := sha1.Sum([]byte(env.HostName + host + port + user + jump))
	return tokens{
		'C': hex.EncodeToString(hash[:]), 'L': short, 'd': env.Home, 'h': host, 'i': strconv.Itoa(env.UserID), 'j': jump,
		'k': cmp.Or(alias, original), 'l': env.HostName, 'n': original, 'p': port, 'r': user, 'u': env.User,
	}
}

// expand replaces the tokens of a text.
func (t tokens) expand(text string) (string, error) { return expand(text, t, nil) }

// path replaces ~, the tokens and the environment variables of a path.
func (t tokens) path(text string, env *Env) (string, error) {
	text, err := tilde(text, env)
	if err != nil {
		return "", err
	}
	return expand(text, t, env)
}

// expand replaces %X where t is not nil, and ${NAME} where env is not nil.
func expand(text string, t tokens, env *Env) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case env != nil && strings.HasPrefix(text[i:], "${"):
			name, _, ok := strings.Cut(text[i+2:], "}")
			if !ok {
				return "", errors.New("${ without }")
			}
			value, ok := env.lookup(name)
			if !ok || name == "" {
				return "", fmt.Errorf("the environment has no %s", name)
			}
			b.WriteString(value)
			i += len(name) + 2
		case t == nil || text[i] != '%':
			b.WriteByte(text[i])
		case i+1 == len(text):
			return "", errors.New("nothing follows the last %")
		case text[i+1] == '%':
			b.WriteByte('%')
			i++
		default:
			i++
			value, ok := t[text[i]]
			if !ok {
				return "", fmt.Errorf("%%%c is not supported here", text[i])
			}
			b.WriteString(value)
		}
	}
	return b.String(), nil
}

// tilde replaces ~ or ~user at the beginning of a path.
func tilde(text string, env *Env) (string, error) {
	if !strings.HasPrefix(text, "~") {
		return text, nil
	}
	name, rest, _ := strings.Cut(text[1:], "/")
	home := env.Home
	if name != "" {
		if env.HomeOf == nil {
			return "", fmt.Errorf("there is no user %s", name)
		}
		var err error
		if home, err = env.HomeOf(name); err != nil {
			return "", fmt.Errorf("there is no user %s", name)
		}
	}
	return strings.TrimSuffix(home, "/") + "/" + strings.TrimLeft(rest, "/"), nil
}

// and are the tokens with others: pairs of a letter and what it stands for.
func (t tokens) and(pairs ...string) tokens {
	more := maps.Clone(t)
	for i := 0; i < len(pairs); i += 2 {
		more[pairs[i][0]] = pairs[i+1]
	}
	return more
}
