// Package ui shows things to people, and to programs that read what muster
// prints: everything that cmd draws or prints, but for errors.
//
// A [Reporter] shows a run: it gets each event of package exec as it happens,
// and the outcomes at the end.
//
//	report := ui.NewText(os.Stdout, os.Stderr, hint, ui.ColorAuto)
//	defer report.Close()
//	report.Begin(ui.Run{ID: run, Hosts: names})
//	outcomes := exec.Run(ctx, plan, exec.Options{Sink: report.Event})
//	report.End(outcomes)
//
// On a terminal, events become a view, which says what the run looks like at a moment,
// and paint makes lines of it for a screen of some size. Both are pure functions. The lines
// are drawn on the alternate screen, as editors do: the scrollback gets what stays and nothing
// else, and a terminal that is resized has nothing to wrap. (What was drawn below the prompt,
// tmux moved to the scrollback, half of it wrapped.) Terminals without an alternate screen get
// lines, as pipes do.
//
// That takes six control sequences, so there is no bubbletea here. It would own the terminal
// while a run is shown, and questions to the user, passwords and the ssh of this machine need
// it meanwhile; it would draw by its own clock, where a run has one already; and it would
// bring keys, a mouse and forms that muster has no use for, at start-up and in the binary.
//
// The other parts print tables ([Table]), problems of an inventory
// ([ProblemPrinter]), plans, outcomes and states, and ask the user.
//
// Text from hosts, from Nix and from inventories is not trusted with the
// terminal: cmd writes all of it through a [human.PlainWriter], and what is drawn
// here goes through [human.Plain] or [Printable].
package ui
