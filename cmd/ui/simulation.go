package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"muster/exec"
	"muster/exec/human"
)

// mostWaves is how many waves of a simulation are listed.
const mostWaves = 40

// PrintSimulation prints the first of some simulations of one plan, wave by wave, and
// what all of them have in common.
func PrintSimulation(w io.Writer, runs []*exec.Simulation) {
	first := runs[0]
	waves := first.Waves
	left := 0
	if begun := slices.IndexFunc(waves, func(w exec.SimulatedWave) bool { return !w.Begun }); begun >= 0 {
		waves, left = waves[:begun], len(waves)-begun
	}
	shown := waves[:min(len(waves), mostWaves)]
	table := NewReport(w, "wave", "hosts", "begins", "takes", "hit", "result")
	for _, wave := range shown {
		table.Row(fmt.Sprint(wave.Wave), fmt.Sprint(wave.Hosts), human.Duration(wave.Began), human.Duration(wave.Took), fmt.Sprint(wave.Hit), statusCounts(wave.Statuses))
	}
	table.Flush()
	p := newPage(w, ColorNever)
	if more := len(waves) - len(shown); more > 0 {
		p.print(say(fmt.Sprintf("and %s more", human.Count(more, "wave"))))
	}
	if left > 0 {
		p.print(say(fmt.Sprintf("%s not begun", human.Count(left, "wave"))))
	}
	p.print(nil)
	p.print(say(fmt.Sprintf("takes %s: %d of %s hit: %s", human.Duration(first.Took), first.Hit, human.Count(first.Hosts, "host"), statusCounts(first.Statuses))))
	if first.Stopped != "" {
		p.print(say("stops: " + first.Stopped))
	}
	if len(runs) > 1 {
		printSimulations(p, runs)
	}
}

// printSimulations sums several simulations up.
func printSimulations(p page, runs []*exec.Simulation) {
	var took []time.Duration
	var hit []int
	stopped := 0
	for _, r := range runs {
		took, hit = append(took, r.Took), append(hit, r.Hit)
		if r.Stopped != "" {
			stopped++
		}
	}
	slices.Sort(took)
	slices.Sort(hit)
	middle, high, last := len(runs)/2, len(runs)*9/10, len(runs)-1
	p.print(nil)
	p.print(say(fmt.Sprintf("of %s, %d stop before the end", human.Count(len(runs), "run"), stopped)))
	table := newTable(p, "", "least", "median", "90%", "most")
	table.Row("takes", human.Duration(took[0]), human.Duration(took[middle]), human.Duration(took[high]), human.Duration(took[last]))
	table.Row("hosts hit", fmt.Sprint(hit[0]), fmt.Sprint(hit[middle]), fmt.Sprint(hit[high]), fmt.Sprint(hit[last]))
	table.Flush()
}

// statusCounts counts hosts by what became of them.
func statusCounts(n map[exec.Status]int) string {
	var parts []string
	for _, s := range exec.Statuses {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[s], s))
		}
	}
	return strings.Join(parts, ", ")
}
