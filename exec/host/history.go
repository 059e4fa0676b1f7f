package host

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"muster/compile/store"
	"muster/exec/human"
)

// A History is what a host knows of its own past: the guard writes it below
// /var/lib/muster.
type History struct {
	Deployments []Deployment // that were confirmed, rollbacks among them; newest last
	Rejected    []Rejection  // generations that were made and not confirmed
	// Confirmed are the systems that a muster older than Deployments confirmed.
	Confirmed   []store.Path
	Generations []Generation // of the system profile, oldest first; number and system only
}

// A Deployment is one line of /var/lib/muster/deployments.
type Deployment struct {
	Run  string    // its ID, which sorts by time
	Time time.Time // by the host's clock
	// Generation is the profile's afterwards. Its number is 0 where the deployment
	// did not move the profile. System is always what was deployed.
	Generation Generation
	Former     Generation // the profile's before; the zero value for none
	RanBefore  store.Path // "" for none
	Who        string
}

// A Rejection is one line of /var/lib/muster/rejected.
type Rejection struct {
	Generation Generation
	Run        string
	Time       time.Time
}

// parseDeployment reads RUN TIME LINK SYSTEM FORMER-LINK FORMER-SYSTEM RAN-BEFORE
// WHO…, where - is no value.
func parseDeployment(line string) (Deployment, bool) {
	words := strings.SplitN(line, " ", 8)
	if len(words) < 7 || words[0] == "" {
		return Deployment{}, false
	}
	system, err := store.ParsePath(words[3])
	if err != nil {
		return Deployment{}, false
	}
	d := Deployment{
		Run: words[0], Time: unixTime(words[1]),
		Generation: Generation{Number: generationNumber(words[2]), System: system},
		Former:     Generation{Number: generationNumber(words[4])},
	}
	if d.Former.Number != 0 {
		d.Former.System, _ = store.ParsePath(words[5])
	}
	d.RanBefore, _ = store.ParsePath(words[6])
	if len(words) > 7 {
		d.Who = human.Clip(words[7], maxWord)
	}
	return d, true
}

// parseRejection reads LINK SYSTEM RUN TIME.
func parseRejection(line string) (Rejection, bool) {
	words := strings.Fields(line)
	if len(words) < 4 {
		return Rejection{}, false
	}
	system, err := store.ParsePath(words[1])
	if err != nil {
		return Rejection{}, false
	}
	return Rejection{
		Generation: Generation{Number: generationNumber(words[0]), System: system},
		Run:        words[2], Time: unixTime(words[3]),
	}, true
}

// add takes up one fact of inspect.sh.
func (h *History) add(name, value string) {
	switch name {
	case "deployment":
		if d, ok := parseDeployment(value); ok {
			h.Deployments = append(h.Deployments, d)
		}
	case "rejected":
		if r, ok := parseRejection(value); ok {
			h.Rejected = append(h.Rejected, r)
		}
	case "confirmed": // LINK SYSTEM TIME WHO
		if words := strings.Fields(value); len(words) > 1 {
			if p, err := store.ParsePath(words[1]); err == nil {
				h.Confirmed = append(h.Confirmed, p)
			}
		}
	case "generation": // LINK SYSTEM
		link, system, _ := strings.Cut(value, " ")
		p, err := store.ParsePath(system)
		if n := generationNumber(link); n != 0 && err == nil {
			h.Generations = append(h.Generations, Generation{Number: n, System: p})
		}
	}
}

// maxUnixTime is the end of the year 9999, the last that JSON's times have.
const maxUnixTime = 253402300799

// unixTime reads seconds since 1970. What is no such time is the zero value.
func unixTime(s string) time.Time {
	sec, err := strconv.ParseInt(s, 10, 64)
	if err != nil || sec < 0 || sec > maxUnixTime {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
}

// IsRejected reports whether a generation was made by a deployment that was not
// confirmed, and has not been confirmed since.
func (h *History) IsRejected(g Generation) bool {
	is := func(other Generation) bool { return other.Number == g.Number && other.System == g.System }
	var rejected time.Time
	found := false
	for _, r := range h.Rejected {
		if is(r.Generation) {
			rejected, found = r.Time, true
		}
	}
	return found && !slices.ContainsFunc(h.Deployments, func(d Deployment) bool {
		return is(d.Generation) && !d.Time.Before(rejected)
	})
}
