package sshconfig

import (
	"fmt"
	"io"
	"strings"
)

// Print writes the values as ssh -G does: its keywords, in its order and spelling.
func (v *Values) Print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "host %s\n", v.query.Host)
	for i := range keywords {
		if k := &keywords[i]; k.print != unlisted {
			v.print(&b, k)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v *Values) print(b *strings.Builder, k *keyword) {
	values := v.shown(k)
	switch {
	case k.print == lines:
		for _, value := range values {
			fmt.Fprintf(b, "%s %s\n", k.name, value)
		}
	case len(values) > 0:
		fmt.Fprintf(b, "%s %s\n", k.name, strings.Join(values, " "))
	case k.initial != "":
		fmt.Fprintf(b, "%s %s\n", k.name, k.initial)
	case k.print == joined:
		fmt.Fprintf(b, "%s none\n", k.name)
	}
}

// shown are the values of a keyword, with the defaults that depend on others.
func (v *Values) shown(k *keyword) []string {
	key := lower(k.name)
	values := v.values[key]
	switch {
	case key == "user":
		return []string{v.user}
	case key == "hostname":
		return []string{v.host}
	case key == "identityfile" && values == nil:
		return defaultIdentities
	case key == "globalknownhostsfile" && values == nil:
		return defaultGlobalKnownHosts
	case (key == "globalknownhostsfile" || key == "userknownhostsfile") && strings.EqualFold(values[0], "none"):
		return nil
	case opensshAlgorithms[key].known != nil:
		list, err := v.algorithms(key)
		if err != nil {
			panic("the list has been read: " + err.Error())
		}
		return []string{strings.Join(list, ",")}
	case key == "rekeylimit" && values != nil:
		interval := values[1]
		if interval == "" {
			interval = "0"
		}
		return []string{values[0], interval}
	case key == "proxyjump":
		if v.jump == nil {
			return nil
		}
		return []string{v.jump.String()}
	}
	return values
}
