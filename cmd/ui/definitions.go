package ui

import (
	"fmt"
	"io"
	"strings"

	"muster/compile/definitions"
	"muster/exec/human"
)

// Definitions prints how the definitions of hosts differ, on all of them alike.
func Definitions(w io.Writer, hosts []string, c *definitions.Changes) {
	p := newPage(w, ColorAuto)
	p.print(nil)
	title := line{}.and(strong, abbreviate(hosts, mostNamed))
	if len(hosts) > 1 {
		title = title.and(ordinary, ofHosts(hosts))
	}
	p.print(title)
	printDefinitions(p, c)
}

// mostOptions is how many options are listed for a host.
const mostOptions = 40

// printDefinitions prints which options are defined otherwise, which versions are pinned, and which files changed beside.
func printDefinitions(p page, c *definitions.Changes) {
	if c == nil {
		return
	}
	line := func(mark, text string) {
		s := map[string]style{"+": good, "−": bad, "~": odd}[mark]
		p.wrapped(s, fmt.Sprintf("  %s option ", mark), text)
	}
	for _, pin := range c.Pins {
		p.wrapped(odd, "  ~ pin ", Printable(pin.Name+" "+changeOf(orNone(shortVersion(pin.Before)), orNone(shortVersion(pin.After)))))
	}
	for i, o := range c.Options {
		if i == mostOptions {
			p.wrapped(odd, "  ~ option ", fmt.Sprintf("… and %d more", len(c.Options)-i))
			break
		}
		line(optionMark(o), Printable(optionText(o)))
	}
	if len(c.Files) > 0 {
		p.wrapped(odd, "  ~ file ", Printable(abbreviate(c.Files, mostLines))+" (no option by name)")
	}
}

func optionMark(o definitions.Change) string {
	switch {
	case o.Hidden:
		return "~"
	case len(o.Before) == 0:
		return "+"
	case len(o.After) == 0:
		return "−"
	}
	return "~"
}

// longList is how long the texts of two lists are at most for both to be printed; of longer ones, the elements that
// change are.
const longList = 60

// optionText is how the definitions of one option differ, in one line.
func optionText(o definitions.Change) string {
	was, is := oneLine(o.Before), oneLine(o.After)
	switch {
	case o.Hidden:
		return o.Name + ": changed, not shown"
	case len(o.Added)+len(o.Removed) > 0 && len(was)+len(is) > longList:
		return o.Name + elementsText(" +", o.Added) + elementsText(" −", o.Removed)
	case was == "":
		return o.Name + ": " + is
	case is == "":
		return o.Name + ": " + was
	}
	return o.Name + ": " + changeOf(was, is)
}

func elementsText(mark string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return mark + " " + abbreviate(list, mostLines)
}

func changeOf(was, is string) string { return was + " → " + is }

func orNone(text string) string {
	if text == "" {
		return "none"
	}
	return text
}

// shortVersion is a commit or a hash, of which the begin is enough.
func shortVersion(text string) string {
	if len(text) >= 40 && !strings.ContainsAny(text, "/ ") || strings.HasPrefix(text, "sha256-") {
		return text[:12]
	}
	return text
}

// longDefinition is how much of a definition is printed.
const longDefinition = 100

// oneLine is the text of definitions of one option, with the lines of each joined. A text of many lines is only counted.
func oneLine(texts []string) string {
	var all []string
	for _, text := range texts {
		lines := strings.Split(text, "\n")
		joined := strings.Join(strings.Fields(text), " ")
		switch {
		case len(lines) > 1 && strings.Contains(text, "''"):
			all = append(all, human.Count(len(lines), "line"))
		case len([]rune(joined)) > longDefinition:
			all = append(all, string([]rune(joined)[:longDefinition])+"…")
		default:
			all = append(all, joined)
		}
	}
	return strings.Join(all, ", ")
}
