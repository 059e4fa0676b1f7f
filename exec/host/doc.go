// Package host is what a NixOS host is asked and told, typed in and out.
//
//	typed request ─ script with arguments ─▶ Machine ─ lines ─▶ typed answer
//
// Each question is a method of [Host] and a script in scripts/, which the host's
// /bin/sh runs after one common preamble. A script is fixed text; whatever varies
// is in its arguments. Answers are lines, and bounded in bytes and in time.
//
//	h := host.New(machine, 30*time.Second)
//	in, err := h.Inspect(ctx, host.InspectRequest{DiskUUID: uuid, Want: system})
//
// What takes longer than a question is done by a guard, a script that runs on the
// host detached from any connection: [Host.Arm] starts it, [Host.Follow] watches
// it over as many connections as it takes, [Host.Tell] leaves a word for it. See
// scripts/guard.sh.
package host
