package ui

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"muster/exec/ondemand"
)

// A numbered name is a name with a number in it: web12.example has stem web and tail .example.
type numbered struct {
	name, stem, tail string
	number           int // -1 for none
	digits           int // of the number, with leading zeros
}

var lastNumber = ondemand.Regexp(`^(.*?)([0-9]{1,9})([^0-9]*)$`)

func numberIn(name string) numbered {
	if m := lastNumber().FindStringSubmatch(name); m != nil {
		n, _ := strconv.Atoi(m[2])
		return numbered{name: name, stem: m[1], tail: m[3], number: n, digits: len(m[2])}
	}
	return numbered{name: name, stem: name, number: -1}
}

// follows reports whether n is the name after o: web3 after web2, web10 after web9 or web09.
func (n numbered) follows(o numbered) bool {
	next := o.number >= 0 && n.number == o.number+1 && n.stem == o.stem && n.tail == o.tail
	return next && (n.digits == o.digits || !n.padded() && !o.padded())
}

// padded reports whether the number has leading zeros.
func (n numbered) padded() bool { return n.digits > len(strconv.Itoa(max(0, n.number))) }

// abbreviate lists names, with those in a row as web1..web40, and counts the hosts beyond the
// first so many entries of the list.
func abbreviate(names []string, most int) string {
	all := make([]numbered, len(names))
	for i, name := range names {
		all[i] = numberIn(name)
	}
	slices.SortStableFunc(all, func(a, b numbered) int {
		return cmp.Or(strings.Compare(a.stem, b.stem), strings.Compare(a.tail, b.tail), cmp.Compare(a.number, b.number))
	})
	var list []string
	for i := 0; i < len(all); {
		last := i
		for last+1 < len(all) && all[last+1].follows(all[last]) {
			last++
		}
		if last < i+2 { // two in a row are no range
			last = i
		}
		if len(list) == most && len(all)-i > 1 {
			return fmt.Sprintf("%s and %d more", strings.Join(list, ", "), len(all)-i)
		}
		if last == i {
			list = append(list, all[i].name)
		} else {
			list = append(list, all[i].name+".."+all[last].name)
		}
		i = last + 1
	}
	return strings.Join(list, ", ")
}
