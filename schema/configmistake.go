package schema

import (
	"fmt"
	"math"
	"strings"

	"muster/exec/ondemand"
)

// configMistakes reports values of options that no option of NixOS takes: they are how
// people write what needs a marker.
func (c *checker) configMistakes(config *Attrs, path string) {
	for _, f := range config.Fields {
		c.dottedName(f, path)
		if below, ok := f.Value.(*Attrs); ok && plainRoots[f.Name] {
			for _, g := range below.Fields {
				c.dottedName(g, join(path, f.Name))
			}
		}
	}
	eachValue(config, "", func(option string, v Value) bool {
		switch v := v.(type) {
		case String:
			c.nixInText(v, path, option)
		case Int:
			c.stateVersion(float64(v.V), v.At, path, option)
		case Float:
			c.stateVersion(v.V, v.At, path, option)
		case List:
			if packageLists().MatchString(option) {
				c.packageTexts(v, path, option)
			}
		}
		return true
	})
}

// plainRoots are the names that options begin with whose second name never has a dot.
var plainRoots = map[string]bool{
	"services": true, "networking": true, "programs": true, "boot": true, "environment": true, "users": true, "systemd": true, "security": true,
	"hardware": true, "time": true, "i18n": true, "virtualisation": true,
}

// packageLists match options that are lists of packages.
var packageLists = ondemand.Regexp(`^(environment\.systemPackages|users\.users\..*\.packages|fonts\.packages|hardware\.(firmware|graphics\.extraPackages)|services\.udev\.packages|systemd\.packages|services\.dbus\.packages|networking\.networkmanager\.plugins|boot\.extraModulePackages|.*\.home\.packages)$`)

// dottedName reports the name of an option that is a whole path.
func (c *checker) dottedName(f Field, path string) {
	if !optionPath().MatchString(f.Name) || len(f.Name) > 200 {
		return
	}
	l := languageOf(f.At.File)
	nested := strings.ReplaceAll(f.Name, ".", ": ") + ": …"
	switch l {
	case langTOML:
		nested = "the path without quotes, " + f.Name + " = …"
	case langJSON:
		nested = `{"` + strings.ReplaceAll(f.Name, ".", `": {"`) + `": …}` + strings.Repeat("}", strings.Count(f.Name, "."))
	case langYAML:
		nested = "{" + strings.ReplaceAll(f.Name, ".", ": {") + ": …}" + strings.Repeat("}", strings.Count(f.Name, ".")) + ", or one name a line, each indented"
	}
	c.report.add(f.At, join(path, f.Name), "option-name", "a path of options as one name").Hint = "write " + nested
}

var optionPath = ondemand.Regexp(`^[A-Za-z][\w-]*(\.[A-Za-z][\w-]*)+$`)

// nixInText reports a call of a function of Nix in quotes.
func (c *checker) nixInText(v String, path, option string) {
	m := nixMark().FindStringSubmatch(v.V)
	if m == nil || !strings.HasPrefix(v.V, "lib.") || strings.Contains(v.V, "\n") {
		return
	}
	found := nixMarkMistake(0, m[1], strings.TrimSpace(m[2]), languageOf(v.At.File))
	c.report.add(v.At, path+"."+option, "nix-in-text", "%s in quotes is a text", m[1]).Hint = found.mend
}

// stateVersion reports a release of NixOS that is written as a number, which drops the 0 of
// a version such as 24.10.
func (c *checker) stateVersion(n float64, at Pos, path, option string) {
	if option != "system.stateVersion" && option != "home.stateVersion" {
		return
	}
	e := c.report.add(at, path+"."+option, "type", "got a number, want a text")
	if e.Hint = fmt.Sprintf("write \"%.2f\", in quotes", n); n == math.Trunc(n) {
		e.Hint = "write a release such as \"24.11\", in quotes"
	}
}

// packageTexts reports texts in a list of packages.
func (c *checker) packageTexts(v List, path, option string) {
	for i, e := range v.Elems {
		s, ok := e.(String)
		if !ok || strings.HasPrefix(s.V, "/") {
			continue // a package can be a path in the store
		}
		name := strings.TrimPrefix(s.V, "pkgs.")
		c.report.add(s.At, fmt.Sprintf("%s.%s[%d]", path, option, i), "package", "got the text %s, want a package", quote(s.V)).Hint = "write " + languageOf(s.At.File).marker("pkg", doubleQuoted(clip(name)))
	}
}
