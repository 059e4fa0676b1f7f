package sshconfig

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// match evaluates the criteria of a Match line from left to right. Where the file's lines cannot count at all, it only
// checks them.
func (r *reader) match(l *line, enclosing bool) (bool, error) {
	if len(l.args) == 0 {
		return false, errors.New("match: no criteria")
	}
	host, err := r.hostName()
	if err != nil {
		return false, err
	}
	matched, criteria := enclosing, 0
	for len(l.args) > 0 {
		attribute, _ := l.more()
		word, negated := strings.CutPrefix(attribute, "!")
		this := false
		switch word = strings.ToLower(word); word {
		case "all":
			if next, ok := l.more(); criteria > 1 || ok && next != "" {
				return false, errors.New("match all: other criteria are not possible beside it")
			}
			return matched && !negated, nil
		case "canonical", "final":
			r.wantsFinal = r.wantsFinal || word == "final"
			this = r.final
		default:
			value := ""
			if name, after, ok := strings.Cut(attribute, "="); ok && slices.Contains(criteriaWithValue, strings.ToLower(strings.TrimPrefix(name, "!"))) {
				word, value = strings.ToLower(strings.TrimPrefix(name, "!")), after
			} else {
				value, _ = l.more()
			}
			if this, err = r.criterion(word, value, host, matched); err != nil {
				return false, err
			}
		}
		criteria++
		if this == negated {
			matched = false
		}
	}
	return matched, nil
}

var criteriaWithValue = []string{"host", "originalhost", "user", "localuser", "localnetwork", "tagged", "exec"}

// criterion evaluates one criterion that takes a value. Where the line does not match any more, counts is false: what
// takes a program to find out is not asked then.
func (r *reader) criterion(word, value, host string, counts bool) (bool, error) {
	if !slices.Contains(criteriaWithValue, word) {
		return false, fmt.Errorf("match: unknown criterion %s", word)
	}
	if value == "" || value[0] == '#' {
		return false, fmt.Errorf("match %s: %w", word, errNoValue)
	}
	switch word {
	case "host":
		return MatchList(host, strings.Split(value, ",")), nil
	case "originalhost":
		return MatchList(r.query.Host, strings.Split(value, ",")), nil
	case "user":
		return judge(cmp.Or(r.first("user"), r.env.User), value) == match, nil
	case "localuser":
		return judge(r.env.User, value) == match, nil
	case "tagged":
		return judge(r.first("tag"), value) == match, nil
	case "localnetwork":
		return r.onNetwork(value)
	}
	return r.matchExec(value, counts)
}

func (r *reader) matchExec(command string, counts bool) (bool, error) {
	t, err := r.tokens()
	if err != nil {
		return false, err
	}
	command, err = t.expand(command)
	if err != nil {
		return false, fmt.Errorf("match exec: %w", err)
	}
	if !counts {
		return false, nil
	}
	if r.env.MatchExec == nil {
		return false, errors.New("match exec: no command can be run here")
	}
	ok, err := r.env.MatchExec(command)
	if err != nil {
		return false, fmt.Errorf("match exec %q: %w", command, err)
	}
	return ok, nil
}

// onNetwork reports whether an address of this machine is in one of some networks.
func (r *reader) onNetwork(list string) (bool, error) {
	var networks []netip.Prefix
	for text := range strings.SplitSeq(list, ",") {
		network, err := parseNetwork(text)
		if err != nil {
			return false, fmt.Errorf("match localnetwork: %q is not a network such as 10.0.0.0/8", text)
		}
		networks = append(networks, network)
	}
	addresses, err := r.env.addresses()
	if err != nil {
		return false, fmt.Errorf("match localnetwork: %w", err)
	}
	for _, a := range addresses {
		if slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a.WithZone("")) }) {
			return true, nil
		}
	}
	return false, nil
}

// parseNetwork reads an address, or a network whose address has no bits beyond its mask.
func parseNetwork(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return netip.Prefix{}, err
		}
		return addr.Prefix(addr.BitLen())
	}
	network, err := netip.ParsePrefix(text)
	if err == nil && network.Masked() != network {
		err = errors.New("bits beyond the mask")
	}
	return network, err
}

// tokens are the tokens as far as the lines read so far decide them.
func (r *reader) tokens() (tokens, error) {
	host, err := r.hostName()
	if err != nil {
		return nil, err
	}
	jumpHost := ""
	if value := r.first("proxyjump"); value != "" {
		if j, err := parseJump(value, r.env); err == nil && j.host != "none" {
			jumpHost = j.host
		}
	}
	return connectionTokens(r.env, r.query.Host, host, cmp.Or(r.first("hostkeyalias"), host), cmp.Or(r.first("user"), r.env.User),
		cmp.Or(r.first("port"), "22"), jumpHost), nil
}

// hostName is the name to connect to, as far as the lines read so far decide it.
func (r *reader) hostName() (string, error) {
	name := r.first("hostname")
	switch {
	case name == "":
		return r.host, nil
	case r.final:
		return name, nil
	}
	name, err := tokens{'h': r.host}.expand(name)
	if err != nil {
		return "", fmt.Errorf("hostname %s: %w", r.first("hostname"), err)
	}
	return name, nil
}
