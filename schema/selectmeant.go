package schema

import (
	"cmp"
	"slices"
	"strings"

	"muster/exec/ondemand"
)

// What is meant by a selector in the notation of another tool, or by a word that names a
// host otherwise than by its name.

var selectorOfOthers = ondemand.Regexp(`^(tag|tags|group|role|roles|host|name)[:=](.+)$`)

// meant says what is meant by a word that no host has; "" if nothing tells.
func (p *selection) meant(word string) string {
	if m := selectorOfOthers().FindStringSubmatch(word); m != nil {
		switch m[1] {
		case "host", "name":
			return "a host is chosen by its name alone: " + m[2]
		case "role", "roles":
			return "a role is chosen with +: +" + m[2]
		}
		return "a tag is chosen with @: @" + m[2]
	}
	switch {
	case strings.EqualFold(strings.TrimLeft(word, "@+"), "all"):
		return `all hosts are chosen by "*", and without a selector`
	case p.isHost(word[1:]) && strings.ContainsAny(word[:1], "-^~"):
		return "all but a host are chosen with !: !" + word[1:]
	case strings.HasPrefix(word, "~"), len(word) > 2 && word[0] == '/' && word[len(word)-1] == '/':
		return "names are matched by globs, such as web*, not by regular expressions"
	case strings.Contains(word, ".."): // of which the braces are gone
		return "a range is written out, as in {1,2,3}, or of single digits as [1-3]"
	case inventoryFile().MatchString(word):
		return "an inventory stands behind the command, without a flag"
	}
	return cmp.Or(p.meantList(word), p.meantHost(word))
}

// meantList says how a list is written whose signs are those of another tool, such as
// web1:web2.
func (p *selection) meantList(word string) string {
	words := strings.FieldsFunc(word, func(r rune) bool { return strings.ContainsRune(":;|", r) })
	if len(words) < 2 || slices.ContainsFunc(words, func(w string) bool { return !p.isHost(w) }) {
		return ""
	}
	return "hosts are separated by commas: " + strings.Join(words, ",")
}

// meantHost names the host that a word has the address of, or that is named in a way of
// ssh or flakes: root@web1, web1:22, web1.example.org, .#web1, nixosConfigurations.web1.
func (p *selection) meantHost(word string) string {
	for _, h := range p.fleet.Hosts {
		if slices.ContainsFunc(h.Ways(), func(w Way) bool { return w.Address == word }) {
			return "it is the address of " + h.Name
		}
	}
	for _, h := range p.fleet.Hosts {
		if label, _, _ := strings.Cut(h.Name, "."); label == word {
			return "a host is chosen by its whole name: " + h.Name
		}
	}
	name := word
	if sign := strings.LastIndexAny(word, "@#"); sign > 0 {
		name = word[sign+1:]
	}
	name = strings.TrimPrefix(name, "nixosConfigurations.")
	for _, sign := range []string{":", "."} {
		if first, _, cut := strings.Cut(name, sign); cut && p.isHost(first) {
			name = first
		}
	}
	if name == word || !p.isHost(name) {
		return ""
	}
	return "a host is chosen by its name alone: " + name
}

// like names what a word is nearly written as, and what has its name.
func (p *selection) like(word, pattern string, of wordsOf) string {
	near := nearest(pattern, p.words(of))
	if near != "" {
		near = word[:len(word)-len(pattern)] + near
	}
	return strings.Join(slices.DeleteFunc([]string{near, p.meantSign(word)}, func(s string) bool { return s == "" }), " or ")
}

// meantSign is the word with the sign of what has its name: a host, a tag or a role; "" if
// nothing has.
func (p *selection) meantSign(word string) string {
	name := strings.TrimLeft(word, "@+#%")
	switch {
	case name != word && p.isHost(name):
		return "the host " + name
	case word[0] != '@' && slices.Contains(p.words(tagsOf), name):
		return "the tag " + TagSelector(name)
	case word[0] != '+' && slices.Contains(p.words(rolesOf), name):
		return "the role +" + name
	}
	return ""
}

func (p *selection) isHost(name string) bool { return name != "" && p.named(name) }

// meantOperator says how the operator is written that stands before the rest of an
// expression, which cannot be read.
func (p *selection) meantOperator() string {
	first, _, _ := strings.Cut(p.rest, " ")
	switch strings.ToLower(first) {
	case "and", "&&":
		return "and is written &"
	case "or", "||":
		return "or is written as a comma"
	}
	switch {
	case strings.HasPrefix(strings.ToLower(p.expr), "not "):
		return "not is written !"
	case p.rest[0] == ')':
		return "no ( stands before it"
	}
	return "hosts are separated by commas"
}
