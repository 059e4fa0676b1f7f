// Package report writes what a run was like as one HTML page: the fleet by wave and role,
// a time line of every host's stages, failures with their logs, packages that changed,
// and drift. The page holds all it needs, and asks nothing of a network.
//
//	page := report.New(plan, began)
//	record, err := exec.ReplayJournal(name, page.Add)
//	page.Write(os.Stdout, report.Options{Version: version})
//
// [Read] does the first two for a journal.
//
// The page is made in three steps, a file each:
//
//	story.go  what happened to each host, from the events of the run
//	axis.go   where moments are on the time line
//	page.go   the texts and shapes that page.html lays out
//
// Names, errors and lines of logs come from hosts and inventories. html/template escapes
// all of them, and the page's own policy lets no script run but its own.
package report
