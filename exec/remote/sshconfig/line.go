package sshconfig

import (
	"errors"
	"fmt"
	"strings"
)

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
