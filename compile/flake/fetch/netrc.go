package fetch

import (
	"errors"
	"io/fs"
	"strings"

	"muster/exec/foreign"
)

const maxNetrc = 1 << 20

// credentials returns what the netrc file has for a host.
func (f *Fetcher) credentials(host string) (login, password string, err error) {
	if f.Netrc == "" {
		return "", "", nil
	}
	text, err := foreign.ReadFile(f.Netrc, foreign.Settings(maxNetrc))
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	login, password = lookUp(string(text), host)
	return login, password, nil
}

// lookUp finds the first entry of a netrc for a host, or the default entry.
func lookUp(text, host string) (login, password string) {
	words := netrcWords(withoutMacros(text))
	for i := 0; i < len(words); i++ {
		fits := words[i] == "default"
		if words[i] == "machine" && i+1 < len(words) {
			i++
			fits = words[i] == host
		}
		if !fits {
			continue
		}
		for i+2 < len(words) && words[i+1] != "machine" && words[i+1] != "default" {
			switch words[i+1] {
			case "login":
				login = words[i+2]
			case "password":
				password = words[i+2]
			}
			i += 2
		}
		return login, password
	}
	return "", ""
}

// netrcWords splits a netrc into words. As curl has it, a word in double quotes may hold spaces, and quotes and backslashes
// behind a backslash.
func netrcWords(text string) (words []string) {
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return words
		}
		word, rest, ok := quotedWord(text)
		if !ok {
			end := strings.IndexAny(text, " \t\r\n")
			if end < 0 {
				end = len(text)
			}
			word, rest = text[:end], text[end:]
		}
		words, text = append(words, word), rest
	}
}

// quotedWord reads a word in double quotes, which ends on its line.
func quotedWord(text string) (word, rest string, ok bool) {
	if text[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(text) && text[i] != '\n'; i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], true
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteString(unescaped(text[i : i+1]))
		default:
			b.WriteByte(c)
		}
	}
	return "", "", false
}

// unescaped is what a character behind a backslash stands for.
func unescaped(c string) string {
	switch c {
	case "n":
		return "\n"
	case "r":
		return "\r"
	case "t":
		return "\t"
	}
	return c
}

// withoutMacros leaves out comments and macro definitions, which end at an empty line.
func withoutMacros(text string) string {
	var b strings.Builder
	macro := false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		macro = macro && trimmed != "" || strings.HasPrefix(trimmed, "macdef")
		if !macro && !strings.HasPrefix(trimmed, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
