package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"muster/cmd/ui"
	"muster/exec"
	"muster/exec/adopt"
	"muster/exec/host"
	"muster/exec/human"
)

// report prints what became of the machines.
func (a *adoption) report() {
	if a.options.output.format == outputJSON {
		ui.JSON(a.std.out, a.machines)
		return
	}
	for _, m := range a.machines {
		if m.err != nil {
			fmt.Fprintf(a.std.err, "%s: %v\n", m.Address, m.err)
			if h := adoptHint(m); h != "" {
				fmt.Fprintf(a.std.err, "hint: %s\n", h)
			}
			continue
		}
		fmt.Fprintf(a.std.out, "%s: %s: %s\n", m.Name, m.State, summary(m.Hardware))
		for _, f := range m.Files {
			fmt.Fprintf(a.std.out, "  wrote %s\n", f)
		}
		for _, d := range m.Differences {
			left := ""
			if d.ByHand && a.options.update {
				left = "left to you: "
			}
			fmt.Fprintf(a.std.out, "  %s%s\n", left, d)
		}
		for _, n := range m.Notes {
			fmt.Fprintf(a.std.out, "  note: %s\n", n)
		}
	}
}

// adoptHint says what the user can do about a machine that was not adopted.
func adoptHint(m *adopted) string {
	var key unacceptedKey
	if errors.As(m.err, &key) {
		return fmt.Sprintf("compare the fingerprint with the machine's, then: muster adopt --accept-host-key %s %s", key.Offered.SHA256, m.Address)
	}
	name := m.Name
	if name == "" {
		name = m.way.Address
	}
	return hint(name, m.err)
}

// summary is a machine in one line.
func summary(hw *host.Hardware) string {
	list := []string{hw.OS.Text}
	if hw.OS.Text == "" {
		list[0] = "an unknown system"
	}
	if hw.System != "" {
		list = append(list, hw.System)
	}
	if hw.Memory > 0 {
		list = append(list, human.Bytes(hw.Memory)+" of memory")
	}
	switch v := hw.Virtual; {
	case v.Container != "":
		return strings.Join(append(list, "a container ("+v.Container+")"), ", ")
	case v.Machine != "":
		list = append(list, "a guest of "+v.Machine)
	}
	list = append(list, strings.ToUpper(string(hw.Boot.Firmware)), human.Count(len(hw.Disks()), "disk"))
	return strings.Join(list, ", ")
}

// status is the exit status, as an error.
func (a *adoption) status() error {
	failed, fine := 0, 0
	for _, m := range a.machines {
		left := slices.ContainsFunc(m.Differences, func(d adopt.Difference) bool { return d.ByHand })
		switch {
		case m.State == "failed", m.State == "differs", m.State == "updated" && left:
			failed++
		default:
			fine++
		}
	}
	switch {
	case failed == 0:
		return nil
	case fine == 0 && !slices.ContainsFunc(a.machines, func(m *adopted) bool { return m.err == nil }):
		return exitError(exec.ExitFailed)
	}
	return exitError(exec.ExitPartly)
}
