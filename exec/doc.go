// Package exec carries a plan to machines.
//
//	Fleet + systems ─ NewPlan ─▶ Plan ─ Run ─▶ Event… and []Outcome ─ ExitStatus ─▶ 0, 1, 3, 4, 130
//
// How a host is taken from one system to the next without a moment in which it
// cannot be reached or booted is told in activate.go; what watches over it on
// the host itself is guard.sh. Where a rollback goes is told in undo.go, and how a
// host is restarted in restart.go. How a host is taken out of its Kubernetes cluster
// meanwhile is told in cluster.go. How a machine without NixOS becomes a host is told in
// install.go.
//
// A [Plan] is a value: an action and, for every host in inventory order, the
// system it is to have. [Run] takes each host through the stages that the
// action has in stage.go, several hosts side by side, and tells what happens
// to a [Sink] as facts. It prints nothing. A host's failure is its [Outcome]
// and stops no other host.
//
//	plan := exec.NewPlan(exec.Switch, steps)
//	outcomes := exec.Run(ctx, plan, exec.Options{Jobs: 10, Connect: connect, Builder: nix, Source: local, Sink: ui.event})
//	os.Exit(exec.ExitStatus(ctx, outcomes))
//
// Nothing that a host says or leaves unsaid harms the others: answers are bounded
// in bytes and in time (package host), lines that a stage prints are handed on up
// to maxOutput and counted from there (lines.go), errors and findings are clipped,
// and a copy that stalls ends (package transfer).
//
// How a machine is reached, and how Nix is run here, come from outside through
// [Connect] and [Builder]; package cmd wires the real ones.
package exec
