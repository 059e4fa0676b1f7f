package host

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/human"
)

// Profile is the system profile of a NixOS host, whose generations are the
// systems it has had (NixOS manual, "Rolling Back Configuration Changes").
const Profile = "/nix/var/nix/profiles/system"

// A State is what a host is on.
type State struct {
	Generation Generation `json:"generation,omitzero"` // what the system profile points to
	Current    store.Path `json:"current,omitempty"`   // what runs: /run/current-system
	Booted     store.Path `json:"booted,omitempty"`    // what was booted: /run/booted-system
	Boots      store.Path `json:"boots,omitempty"`     // what the boot loader would start; "" where that cannot be told
}

// Differs reports whether a host in the other state has another profile, runs
// another system or would boot another.
func (s State) Differs(other State) bool {
	return s.Generation.System != other.Generation.System || s.Generation.Number != other.Generation.Number || s.Current != other.Current ||
		s.Boots != "" && other.Boots != "" && s.Boots != other.Boots
}

// Has reports whether a host runs a system and would boot it.
func (s State) Has(system store.Path) bool { return s.Current == system && s.WouldBoot(system) }

// WouldBoot reports whether a system is the profile's and, where that can be told,
// the boot loader's default.
func (s State) WouldBoot(system store.Path) bool {
	return s.Generation.System == system && (s.Boots == "" || s.Boots == system)
}

func (s State) String() string {
	switch {
	case s.Generation.Number == 0 && s.Current == "":
		return "no system"
	case s.Generation.Number == 0:
		return string(s.Current)
	case s.Current != s.Generation.System:
		return fmt.Sprintf("generation %d, running %s", s.Generation.Number, cmp.Or(string(s.Current), "no system"))
	}
	return fmt.Sprintf("generation %d (%s)", s.Generation.Number, s.Generation.System)
}

// A Generation is one generation of a host's system profile.
type Generation struct {
	Number  int        `json:"number"`
	System  store.Path `json:"system"`
	Created time.Time  `json:"created,omitzero"`
	Version string     `json:"version,omitempty"` // of NixOS, as the system says
	Current bool       `json:"current,omitempty"` // the profile points to it
}

// generationNumber returns the number in system-12-link or home-12-link, 0 where there
// is none.
func generationNumber(link string) int {
	link, ok := strings.CutSuffix(link[strings.LastIndexByte(link, '/')+1:], "-link")
	dash := strings.LastIndexByte(link, '-')
	if !ok || dash < 1 {
		return 0
	}
	number := link[dash+1:]
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// parseGenerations reads what generations.sh prints, oldest first.
func parseGenerations(out string) []Generation {
	var gens []Generation
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 3 || generationNumber(words[0]) == 0 {
			continue
		}
		system, err := store.ParsePath(words[2])
		if err != nil {
			continue
		}
		g := Generation{Number: generationNumber(words[0]), System: system, Created: unixTime(words[1])}
		if len(words) > 3 {
			g.Version = human.Clip(words[3], maxWord)
		}
		gens = append(gens, g)
	}
	slices.SortFunc(gens, func(a, b Generation) int { return a.Number - b.Number })
	return gens
}
