package sshconfig

import "strings"

// ParseAnswer reads what ssh -G prints: a keyword and its value on each line. The answer does not tell a configured
// user from the local user, who is ssh's default.
func ParseAnswer(answer []byte) Values {
	v := Values{}
	for line := range strings.Lines(string(answer)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch {
		case !ok:
		case manyValues[key]:
			v[key] = append(v[key], strings.Fields(value)...)
		case key == "hostname": // the one value that ssh has expanded
			v[key] = append(v[key], strings.ReplaceAll(value, "%", "%%"))
		default:
			v[key] = append(v[key], value)
		}
	}
	return v
}
