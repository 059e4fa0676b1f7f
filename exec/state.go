package exec

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
)

// profile is the system profile of a NixOS host, whose generations are the
// systems it has had (NixOS manual, "Rolling Back Configuration Changes").
const profile = "/nix/var/nix/profiles/system"

// A State is what a host has.
type State struct {
	Generation Generation `json:"generation,omitzero"` // what the system profile points to
	Current    store.Path `json:"current,omitempty"`   // what runs: /run/current-system
	Booted     store.Path `json:"booted,omitempty"`    // what was booted: /run/booted-system
}

// A Generation is one generation of a host's system profile.
type Generation struct {
	Number  int        `json:"number"`
	System  store.Path `json:"system"`
	Created time.Time  `json:"created,omitzero"`
	Version string     `json:"version,omitempty"` // of NixOS, as the system says
	Current bool       `json:"current,omitempty"` // the profile points to it
}

// generationOf returns the number in system-12-link, 0 where there is none.
func generationOf(link string) int {
	link = link[strings.LastIndexByte(link, '/')+1:]
	number, ok := strings.CutPrefix(strings.TrimSuffix(link, "-link"), "system-")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// readGenerations prints a line a generation: link, seconds since 1970, system
// and its NixOS version.
const readGenerations = `
for link in "$1"-*-link; do
  [ -L "$link" ] || continue
  printf '%s %s %s ' "${link##*/}" "$(stat -c %Y "$link")" "$(readlink -f "$link")"
  cat "$link/nixos-version" 2>/dev/null || true
  echo
done
`

// list reads the generations of the host.
func (j *job) list(ctx context.Context) error {
	var err error
	j.out.Generations, err = j.generations(ctx)
	j.out.Status = Listed
	return err
}

// generations are those of the system profile, oldest first.
func (j *job) generations(ctx context.Context) ([]Generation, error) {
	out, err := j.ask(ctx, j.machine, readGenerations, profile)
	if err != nil {
		return nil, err
	}
	var gens []Generation
	for line := range strings.Lines(out) {
		words := strings.Fields(line)
		if len(words) < 3 || generationOf(words[0]) == 0 {
			continue
		}
		g := Generation{Number: generationOf(words[0]), System: store.Path(words[2])}
		if sec, err := strconv.ParseInt(words[1], 10, 64); err == nil {
			g.Created = time.Unix(sec, 0).UTC()
		}
		if len(words) > 3 {
			g.Version = words[3]
		}
		g.Current = g.Number == j.out.Before.Generation.Number
		gens = append(gens, g)
	}
	slices.SortFunc(gens, func(a, b Generation) int { return a.Number - b.Number })
	return gens, nil
}
