package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"muster/exec/foreign"
)

// A buildMachine is one line of a file of build machines, as Nix's setting builders has
// them: URL, systems, key, jobs, speed, features, features that are needed, host key.
type buildMachine []string

// The fields of a buildMachine.
const (
	machineURL = iota
	machineSystems
	machineKey
	machineJobs
	machineSpeed
	machineFeatures
	machineNeeded
	machineHostKey
)

// field is a field, or "-", which says that it is not set.
func (m buildMachine) field(i int) string {
	if i < len(m) {
		return m[i]
	}
	return "-"
}

// list is a field that is a list.
func (m buildMachine) list(i int) []string {
	if m.field(i) == "-" {
		return nil
	}
	return strings.Split(m.field(i), ",")
}

// without is the machine without some members of a field that is a list. It is nil if that
// was a system, and none is left.
func (m buildMachine) without(field int, members []string) buildMachine {
	rest := slices.DeleteFunc(m.list(field), func(s string) bool { return slices.Contains(members, s) })
	if len(rest) == 0 && field == machineSystems {
		return nil
	}
	less := slices.Clone(m)
	less[field] = strings.Join(rest, ",")
	if len(rest) == 0 {
		less[field] = "-"
	}
	return less
}

// maxMachines is how large a file of build machines may be, in bytes.
const maxMachines = 1 << 20

// errTOML says that build machines are in the notation of Lix, which is TOML.
var errTOML = errors.New("build machines in TOML")

// parseMachines reads build machines in the notation of Nix's setting: lines, or parts
// between semicolons, and files of them behind @.
func parseMachines(entries []string) ([]buildMachine, error) {
	var list []buildMachine
	for _, entry := range entries {
		for line := range strings.FieldsFuncSeq(entry, func(r rune) bool { return r == ';' || r == '\n' }) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "#")
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			if strings.HasPrefix(line, "[") {
				return nil, errTOML
			}
			name, isFile := strings.CutPrefix(line, "@")
			if !isFile {
				list = append(list, strings.Fields(line))
				continue
			}
			text, err := foreign.ReadFile(name, foreign.Settings(maxMachines))
			if errors.Is(err, os.ErrNotExist) {
				continue // as Nix does
			}
			if err != nil {
				return nil, fmt.Errorf("read build machines: %w", err)
			}
			if filepath.Ext(name) == ".toml" {
				return nil, errTOML
			}
			more, err := parseMachines([]string{string(text)})
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	}
	return list, nil
}

// machines are the builders of a graph, in a file that Nix reads before every build. What is
// taken out of it gets no further build.
type machines struct {
	mu        sync.Mutex
	dir       string // has the file, and the sockets of ssh
	sshConfig string // the SSH configuration for builders; "" for that of the user
	list      []buildMachine
}

// openMachines writes the file, and an SSH configuration unless it is "". The caller closes it.
func openMachines(list []buildMachine, ssh string) (*machines, error) {
	dir, err := os.MkdirTemp("", "muster-builders-")
	if err != nil {
		return nil, fmt.Errorf("write build machines: %v", err)
	}
	m := &machines{dir: dir, list: list}
	if err = m.write(); err == nil && ssh != "" {
		m.sshConfig = filepath.Join(dir, "ssh_config")
		err = os.WriteFile(m.sshConfig, []byte(ssh), 0o644)
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *machines) file() string { return filepath.Join(m.dir, "machines") }

// write replaces the file. The caller holds m.mu, unless nobody else knows m.
func (m *machines) write() error {
	var text strings.Builder
	for _, machine := range m.list {
		fmt.Fprintln(&text, strings.Join(machine, " "))
	}
	next := m.file() + ".new"
	if err := os.WriteFile(next, []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("write build machines: %v", err)
	}
	if err := os.Rename(next, m.file()); err != nil {
		return fmt.Errorf("write build machines: %v", err)
	}
	return nil
}

// count is how many machines are left.
func (m *machines) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.list)
}

// drop takes a machine out. It reports false if it is out already.
func (m *machines) drop(url string) (bool, error) {
	return m.change(func(machine buildMachine) buildMachine {
		if sameMachine(machine[machineURL], url) {
			return nil
		}
		return machine
	})
}

// limit takes out what a machine is not, though its line says so: the systems or the features
// that a derivation needs. It returns those, "" if the machine has all of them, and whether
// they were in its line until now.
func (m *machines) limit(url string, needs, has machineKind) (what string, changed bool, err error) {
	field, lacks := machineSystems, missingFrom(has.systems, needs.systems)
	if len(lacks) == 0 {
		field, lacks = machineFeatures, missingFrom(has.features, needs.features)
	}
	if len(lacks) == 0 {
		return "", false, nil
	}
	changed, err = m.change(func(machine buildMachine) buildMachine {
		if !sameMachine(machine[machineURL], url) || len(missingFrom(machine.list(field), lacks)) == len(lacks) {
			return machine
		}
		return machine.without(field, lacks)
	})
	what = "the feature "
	if field == machineSystems {
		what = "the system "
	}
	return what + strings.Join(lacks, ", "), changed, err
}

// missingFrom are the wanted that are not there.
func missingFrom(there, wanted []string) []string {
	var missing []string
	for _, w := range wanted {
		if !slices.Contains(there, w) {
			missing = append(missing, w)
		}
	}
	return missing
}

// change replaces each machine by what edit makes of it; nil is none.
func (m *machines) change(edit func(buildMachine) buildMachine) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var next []buildMachine
	changed := false
	for _, machine := range m.list {
		edited := edit(machine)
		if edited != nil {
			next = append(next, edited)
		}
		changed = changed || !slices.Equal(edited, machine)
	}
	if !changed {
		return false, nil
	}
	m.list = next
	return true, m.write()
}

// sameMachine reports whether two URLs name one machine: Nix may add to what was given.
func sameMachine(given, told string) bool {
	bare := func(url string) string {
		url, _, _ = strings.Cut(url, "?")
		return strings.TrimPrefix(url, "ssh://")
	}
	return bare(given) == bare(told)
}

// sshOptions are the options for ssh in the variable NIX_SSHOPTS. Those that are set come
// first, so that ssh prefers them.
//
// Nix makes a connection for each build. They share one, as each takes half a second of
// processor time otherwise. A builder that is silent for a minute counts as lost: without
// that, Nix would wait for it for ever.
func (m *machines) sshOptions(set string) string {
	all := []string{"-o", "ConnectTimeout=15", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3"}
	const room = 60 // for ssh's part of the name of a socket, which has 108 bytes
	if len(m.dir)+room < 108 && !strings.ContainsAny(m.dir, " \t'\"\\%") {
		all = append(all, "-o", "ControlMaster=auto", "-o", "ControlPath="+m.dir+"/%C", "-o", "ControlPersist=20")
	}
	if m.sshConfig != "" {
		all = append(all, "-F", m.sshConfig) // the last -F counts; it includes the one that is set
	}
	return strings.TrimSpace(set + " " + strings.Join(all, " "))
}

// An SSHConfig says how ssh reaches builders.
type SSHConfig struct {
	Hosts string // the beginning of an ssh_config file; "" for none
	File  string // the configuration for all others; "" is that of the user, none is none
}

// text is the whole configuration, "" where ssh needs none of its own. Options that are set,
// as in NIX_SSHOPTS, may name another file.
func (c SSHConfig) text(set string) string {
	if c.Hosts == "" && c.File == "" {
		return ""
	}
	file := c.File
	words := strings.Fields(set)
	for i, word := range words {
		if name, ok := strings.CutPrefix(word, "-F"); ok {
			if file = name; name == "" && i+1 < len(words) {
				file = words[i+1]
			}
		}
	}
	files := []string{"~/.ssh/config", "/etc/ssh/ssh_config"}
	switch {
	case file == "none":
		files = nil
	case file != "":
		if full, err := filepath.Abs(file); err == nil {
			file = full
		}
		files = []string{file}
	}
	text := c.Hosts + "Host *\n"
	for _, name := range files {
		text += "Include \"" + name + "\"\n"
	}
	return text
}

// exitLimit is how long the masters of all connections may take to end when they are asked.
const exitLimit = 5 * time.Second

// close ends the connections, and removes the directory.
func (m *machines) close() {
	sockets, _ := filepath.Glob(filepath.Join(m.dir, strings.Repeat("[0-9a-f]", 40))) // the pattern is well-formed
	ctx, cancel := context.WithTimeout(context.Background(), exitLimit)
	defer cancel()
	for _, socket := range sockets {
		_ = exec.CommandContext(ctx, "ssh", "-o", "ControlPath="+socket, "-O", "exit", "builder").Run() // else it ends by itself
	}
	os.RemoveAll(m.dir)
}
