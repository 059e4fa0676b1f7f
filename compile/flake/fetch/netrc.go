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
	words := strings.Fields(withoutMacros(text))
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
