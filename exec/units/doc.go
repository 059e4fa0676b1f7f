// Package units foretells what switching a host to another NixOS system does to
// its systemd units. It is pure: two systems and the state of the host go in, a
// forecast comes out.
//
//	two trees of unit files ─ Decide ─┐
//	                                  ├─▶ Decision ─ Foresee ─▶ Forecast
//	output of dry-activate ─ ReadDry ─┘
//
// A [Decision] is what switch-to-configuration asks of systemd: stop, start,
// restart and reload these units. [Decide] makes it by the rules of NixOS. Where
// the host has the new system, [ReadDry] takes it from what that system says.
//
// A [Forecast] is what then happens to the units. systemd does more than it is
// asked: what requires a stopped unit stops too, and starting a target starts
// whatever the target wants and does not run, such as new units and units that
// run once and end. [Foresee] applies these rules, and is the same for both kinds
// of decision.
//
//	s := units.Switch{Old: units.NewTree(oldEntries), New: units.NewTree(newEntries), State: state}
//	f := s.Foresee(s.Decide())
//	fmt.Println(f.Restart) // [httpd.service]
package units
