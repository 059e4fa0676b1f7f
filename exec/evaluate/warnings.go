package evaluate

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"muster/exec/human"
	"muster/schema"
)

// Warnings writes the warnings of an evaluation once each, with the names of the
// hosts they are about.
//
// NixOS's warnings arrive twice: in the results, with their hosts, and before
// that in the trace, without. Warnings is the writer for the trace. It passes
// lines on at once, except for the warnings while systems are evaluated: it holds
// them until the results are there, and drops those that a result contains.
//
//	warnings := evaluate.NewWarnings(os.Stderr)
//	e := warnings.Around(evaluate.Embedded{Options: evaluate.Options{Trace: warnings, …}, …})
type Warnings struct {
	w io.Writer

	mu      sync.Mutex
	holding bool
	held    []string
	times   map[string]int // how often each of held was traced
}

// NewWarnings returns Warnings that are written to w.
func NewWarnings(w io.Writer) *Warnings { return &Warnings{w: w} }

// Write takes whole lines of a trace.
func (w *Warnings) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text, warning := evaluationWarning(string(b))
	if !warning || !w.holding {
		return w.w.Write(b)
	}
	if w.times[text]++; w.times[text] == 1 {
		w.held = append(w.held, text)
	}
	return len(b), nil
}

// evaluationWarning returns the text of a traced line that is a warning.
func evaluationWarning(line string) (text string, ok bool) {
	// lib.warn of nixpkgs before 24.11 is a trace, and so is that of others.
	text, traced := strings.CutPrefix(human.Plain(line), "trace: ")
	rest, ok := strings.CutPrefix(text, "evaluation warning: ")
	if !ok && traced {
		rest, ok = strings.CutPrefix(text, "warning: ")
	}
	return strings.TrimSpace(rest), ok
}

// Around returns e with the warnings of its systems written after they are
// found. The evaluators in e have to trace to w.
func (w *Warnings) Around(e Evaluator) Evaluator { return warner{e, w} }

type warner struct {
	Evaluator
	warnings *Warnings
}

// Systems implements [Evaluator].
func (e warner) Systems(ctx context.Context, hosts []*schema.Host) ([]Result, error) {
	e.warnings.hold()
	results, err := e.Evaluator.Systems(ctx, hosts)
	list := e.warnings.release(collectWarnings(results), hosts)
	for _, warning := range list {
		fmt.Fprintln(e.warnings.w, warning)
	}
	return results, err
}

func (w *Warnings) hold() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.holding, w.times = true, map[string]int{}
}

// release writes the held warnings that are not in list. One that was traced for each
// of the hosts, or for the only one, is added to the list instead.
func (w *Warnings) release(list []hostWarning, hosts []*schema.Host) []hostWarning {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, text := range w.held {
		// Nix traces only the first line of a warning.
		known := slices.ContainsFunc(list, func(hw hostWarning) bool { return strings.HasPrefix(hw.text, text) })
		switch {
		case known:
		case len(hosts) > 0 && w.times[text] >= len(hosts):
			list = append(list, hostWarning{text: text, hosts: names(hosts)})
		default:
			fmt.Fprintf(w.w, "evaluation warning: %s\n", text)
		}
	}
	w.holding, w.held = false, nil
	return list
}

// A hostWarning is a warning, and the hosts that have it.
type hostWarning struct {
	text  string
	hosts []string
	first int // index of the first result that has it
}

func (w hostWarning) String() string {
	return fmt.Sprintf("%s: warning: %s", abbreviated(w.hosts), w.text)
}

// collectWarnings returns each warning once, ordered by the first host that has
// it.
func collectWarnings(results []Result) []hostWarning {
	var list []hostWarning
	at := map[string]int{}
	for i, r := range results {
		for _, text := range r.Warnings {
			text = strings.TrimSpace(human.Plain(text))
			if _, ok := at[text]; !ok {
				at[text] = len(list)
				list = append(list, hostWarning{text: text, first: i})
			}
			hosts := &list[at[text]].hosts
			*hosts = append(*hosts, r.Host.Name)
		}
	}
	slices.SortStableFunc(list, func(a, b hostWarning) int {
		return cmp.Or(a.first-b.first, strings.Compare(a.String(), b.String()))
	})
	return list
}

// abbreviated writes names as "a, b, c" or "a, b and 3 more".
func abbreviated(names []string) string {
	if len(names) <= 3 {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:2], ", "), len(names)-2)
}
