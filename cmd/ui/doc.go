// Package ui shows things to people, and to programs that read what muster
// prints: everything that cmd draws or prints, but for errors.
//
// A [Reporter] shows a run: it gets each event of package exec as it happens,
// and the outcomes at the end.
//
//	report := ui.NewText(os.Stdout, os.Stderr, hint)
//	defer report.Close()
//	outcomes := exec.Run(ctx, plan, exec.Options{Sink: report.Event})
//	report.End(outcomes)
//
// The other parts print tables ([Table]), problems of an inventory
// ([ProblemPrinter]), plans, outcomes and states, and ask the user.
//
// Text from hosts, from Nix and from inventories is not trusted with the
// terminal: cmd writes all of it through a [human.PlainWriter], and what is drawn
// here goes through [human.Plain] or [Printable].
package ui
