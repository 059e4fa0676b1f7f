package units

import (
	"slices"
	"strings"
)

// A unit is the content of a unit file and its drop-ins: section, key, values.
// The order of sections and keys is not part of it; that of the values of a key is.
type unit map[string]map[string][]string

// add reads a unit file or a drop-in. An empty value removes the earlier ones. The
// section Install is left out: it says nothing of what runs.
func (u unit) add(text string) {
	section := ""
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
			i++
			line = strings.TrimSuffix(line, `\`) + " " + strings.TrimSpace(lines[i])
		}
		if line[0] == '[' && line[len(line)-1] == ']' {
			section = line[1 : len(line)-1]
			if section != "Install" && u[section] == nil {
				u[section] = map[string][]string{}
			}
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok || section == "" || section == "Install" {
			continue
		}
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if value == "" {
			u[section][key] = nil
		} else {
			u[section][key] = append(u[section][key], value)
		}
	}
}

// flag is a boolean of a unit file. The last value counts.
func (u unit) flag(section, key string, otherwise bool) bool {
	values := u[section][key]
	if len(values) == 0 {
		return otherwise
	}
	switch values[len(values)-1] {
	case "1", "yes", "true", "on":
		return true
	}
	return false
}

// words are the values of a key, split at blanks.
func (u unit) words(section, key string) []string {
	return strings.Fields(strings.Join(u[section][key], " "))
}

// conditional reports whether the unit starts only where something holds.
func (u unit) conditional() bool {
	for key := range u["Unit"] {
		if strings.HasPrefix(key, "Condition") || strings.HasPrefix(key, "Assert") {
			return true
		}
	}
	return false
}

// A change is what a difference between two versions of a unit takes.
type change int

const (
	same change = iota
	reload
	restart
)

// ignoredKeys of the section Unit change nothing that runs. X-Reload-Triggers is
// handled before.
var ignoredKeys = []string{
	"X-Reload-Triggers", "Description", "Documentation", "OnFailure", "OnSuccess", "OnFailureJobMode", "IgnoreOnIsolate",
	"StopWhenUnneeded", "RefuseManualStart", "RefuseManualStop", "AllowIsolate", "CollectMode", "SourcePath",
}

// difference is what NixOS takes the difference between two versions for.
func difference(before, after unit) change {
	found := same
	for section := range keysOf(before, after) {
		was, hadIt := before[section]
		is, hasIt := after[section]
		if section != "Unit" && (!hadIt || !hasIt) {
			return restart
		}
		for key := range keysOf(was, is) {
			a, had := was[key]
			b, has := is[key]
			switch {
			case had == has && slices.Equal(a, b):
			case section == "Unit" && key == "X-Reload-Triggers":
				if has { // a trigger that is gone reloads nothing
					found = reload
				}
			case section == "Unit" && slices.Contains(ignoredKeys, key):
			case section == "Mount" && key == "Options" && had && has:
				found = reload
			default:
				return restart
			}
		}
	}
	return found
}

// keysOf are the keys of two maps.
func keysOf[V any](a, b map[string]V) map[string]bool {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return all
}
