package sshconfig

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// match evaluates the criteria of a Match line from left to right.
func (r *reader) match(args []string) (bool, error) {
	if len(args) == 0 {
		return false, errors.New("match: no criteria")
	}
	matched := true
	for len(args) > 0 {
		word, value, hasValue := strings.Cut(args[0], "=")
		args = args[1:]
		word, negated := strings.CutPrefix(strings.ToLower(word), "!")
		this := false
		switch word {
		case "all":
			this = true
		case "canonical", "final":
			// Without CanonicalizeHostname, the final pass is the only one in which either holds.
			r.wantsFinal = r.wantsFinal || word == "final"
			this = r.final
		default:
			if !hasValue {
				if len(args) == 0 {
					return false, fmt.Errorf("match %s: no value", word)
				}
				value, args = args[0], args[1:]
			}
			var err error
			if this, err = r.criterion(word, value, matched); err != nil {
				return false, err
			}
		}
		if this == negated {
			matched = false
		}
	}
	return matched, nil
}

// criterion evaluates one criterion that takes a value. Where the line does not match any more, counts is false: what
// takes a program to find out is not asked then.
func (r *reader) criterion(word, value string, counts bool) (bool, error) {
	patterns := strings.Split(value, ",")
	switch word {
	case "host":
		return MatchList(r.hostName(), patterns), nil
	case "originalhost":
		return MatchList(r.query.Host, patterns), nil
	case "user":
		return MatchList(r.userName(), patterns), nil
	case "localuser":
		return MatchList(r.env.User, patterns), nil
	case "exec":
		if !counts {
			return false, nil
		}
		return r.matchExec(value)
	case "localnetwork", "tagged", "version", "sessiontype", "command":
		if !counts {
			return false, nil
		}
		return false, errOnlySSH(word)
	}
	return false, fmt.Errorf("match: unknown criterion %s", word)
}

func errOnlySSH(word string) error { return fmt.Errorf("match %s: only ssh itself can tell", word) }

func (r *reader) matchExec(command string) (bool, error) {
	if r.env.MatchExec == nil {
		return false, errOnlySSH("exec")
	}
	t := r.tokens()
	t.host, t.alias, t.jump = r.hostName(), cmp.Or(r.values.first("hostkeyalias"), r.query.Host), r.values.first("proxyjump")
	command, err := t.expand(command, justTokens)
	if err != nil {
		return false, fmt.Errorf("match exec: %w", err)
	}
	ok, err := r.env.MatchExec(command)
	if err != nil {
		return false, fmt.Errorf("match exec %q: %w", command, err)
	}
	return ok, nil
}

// tokens are the tokens as far as the lines read so far decide them.
func (r *reader) tokens() tokens {
	port := cmp.Or(r.values.first("port"), "22")
	if r.query.Port != 0 {
		port = fmt.Sprint(r.query.Port)
	}
	return tokens{env: r.env, original: r.query.Host, host: r.query.Host, user: r.userName(), port: port}
}

// hostName is the name to connect to, as far as the lines read so far decide it.
func (r *reader) hostName() string {
	t := r.tokens()
	if name, err := t.expand(r.values.first("hostname"), justTokens); err == nil && name != "" {
		return name
	}
	return r.query.Host
}

func (r *reader) userName() string {
	return cmp.Or(r.query.User, r.values.first("user"), r.env.User)
}
