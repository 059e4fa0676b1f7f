package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// quotedTag consumes @"TAG", if that is next. In the quotes no sign has a meaning.
func (p *selection) quotedTag() (tag string, quoted bool, err error) {
	p.take("")
	rest, quoted := strings.CutPrefix(p.rest, "@")
	if !quoted || !strings.HasPrefix(rest, `"`) {
		return "", false, nil
	}
	text, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", true, fmt.Errorf("missing quote after %q", clip(p.rest))
	}
	p.rest = rest[len(text):]
	p.take("")
	tag, err = strconv.Unquote(text)
	return tag, true, err
}

// tagged returns the hosts with a tag.
func (p *selection) tagged(tag string) ([]bool, error) {
	set, any := make([]bool, len(p.fleet.Hosts)), false
	for i, h := range p.fleet.Hosts {
		set[i] = slices.Contains(h.Tags, tag)
		any = any || set[i]
	}
	if any || p.anyFleet {
		return set, nil
	}
	err := fmt.Errorf("no host has the tag %s", quote(tag))
	if near := nearest(tag, p.words(tagsOf)); near != "" {
		err = fmt.Errorf("%w; did you mean @%q?", err, near)
	}
	return nil, err
}

// TagSelector is the selector of the hosts with a tag: @web, or @"rack 1" where the tag
// has other characters than names.
func TagSelector(tag string) string {
	if Fits("RoleName", tag) {
		return "@" + tag
	}
	return "@" + strconv.Quote(tag)
}
