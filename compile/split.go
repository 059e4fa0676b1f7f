package compile

import (
	"fmt"
	"path/filepath"
	"strings"

	"muster/compile/syntax"
	"muster/schema"
)

// Split returns the network of a fleet as several files, for users who continue
// by hand: default.nix (for a flake, flake.nix), defaults.nix, hosts/NAME.nix, and
// roles/NAME.nix for every role in use. The names are relative to o.Dir. Together
// the files are equivalent to the one of [Network], and errors are the same. Files
// are made one after the other; the first error of write ends that.
func Split(f *schema.Fleet, o Options, write func(*syntax.File) error) error {
	w := newWriter(f, o)
	w.files = w.roleFiles()
	w.rest = map[*syntax.Attrs]syntax.Bindings{}
	p := w.parts()
	p.split = true
	shared := w.notes

	// All errors are found before the first file is written.
	w.enter("hosts")
	for i, h := range f.Hosts {
		w.notes = map[any]*syntax.Note{}
		w.hostModule(i, h)
	}
	if err := w.failed(); err != nil {
		return err
	}

	w.notes = shared
	var files []*syntax.File
	add := func(name string, e syntax.Expr, note []string) {
		file := w.file(name, e)
		file.Comment = append(file.Comment, note...)
		files = append(files, file)
	}
	for _, b := range p.roles {
		role := b.(*syntax.Attr)
		add(w.files[role.Path[0].Name], role.Value, role.Note.Before)
	}
	p.roles = nil
	if w.fleet.HasInputs() {
		w.enter("")
		add(inputsFile, apply(ident("import"), w.sibling(inputsSource), w.inputArguments()), nil)
		add(inputsSource, inputsText(), []string{"what lock files and pins name, fetched, and flakes evaluated"})
	}
	w.enter("")
	if p.defaults != nil {
		var note []string
		if p.defaultsAt.IsValid() {
			note = []string{place(p.defaultsAt)}
		}
		add("defaults.nix", p.defaults, note)
		p.defaults = w.sibling("defaults.nix")
	}
	names := hostFiles(f.Hosts)
	p.module = func(i int, _ *schema.Host) syntax.Expr { return w.sibling(names[i]) }
	top := "default.nix"
	if o.Format.inFlake() {
		top = "flake.nix"
	}
	files = append([]*syntax.File{w.file(top, w.format.write(w, p))}, files...)
	for _, file := range files {
		if err := write(file); err != nil {
			return err
		}
	}
	w.enter("hosts")
	for i, h := range f.Hosts {
		w.notes = map[any]*syntax.Note{}
		file := w.file(names[i], w.hostModule(i, h))
		file.Comment = append(file.Comment, place(h.At))
		if err := write(file); err != nil {
			return err
		}
	}
	return nil
}

// hostFiles returns the file names of hosts.
func hostFiles(hosts []*schema.Host) []string {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = h.Name
	}
	files := fileNames(names)
	for i, name := range files {
		files[i] = "hosts/" + name + ".nix"
	}
	return files
}

// roleFiles returns the file names of shared modules, by the names of their let
// bindings in a network of one file.
func (w *writer) roleFiles() map[string]string {
	idents := []string{masterModule, nodeModule, secretsModule, upgradeModule, pullModule, lustrateModule, knownHostsModule, extraHostsModule, meshModule, membersModule, peersModule, sitesModule}
	names := []string{schema.RoleMaster, schema.RoleNode, "muster-secrets", "muster-upgrade", "muster-pull", "muster-lustrate", "fleet-host-keys", "fleet-addresses", "muster-mesh", "mesh-members", "muster-peers", "muster-sites"}
	if w.format.common != nil {
		ident := w.format.common().Path[0].Name
		idents = append(idents, ident)
		names = append(names, ident)
	}
	for _, r := range w.fleet.Roles {
		idents = append(idents, w.roleIdents[r.Name])
		names = append(names, r.Name)
	}
	files := map[string]string{}
	for i, name := range fileNames(names) {
		files[idents[i]] = "roles/" + name + ".nix"
	}
	return files
}

// role returns a reference to a shared module: to its file if it has one, or to
// its let binding.
func (w *writer) role(name string) syntax.Expr {
	if file := w.files[name]; file != "" {
		return w.sibling(file)
	}
	return ident(name)
}

// sibling returns the path of another file of the network, relative to the file
// being written.
func (w *writer) sibling(file string) syntax.Expr {
	rel, err := filepath.Rel(w.dir, filepath.Join(w.root, file))
	if err != nil {
		panic("compile: " + err.Error()) // both are below one directory
	}
	if !strings.HasPrefix(rel, "../") {
		rel = "./" + rel
	}
	return &syntax.Path{Parts: []syntax.Part{{Text: rel}}}
}

// enter sets the directory of the next files of a split network.
func (w *writer) enter(dir string) {
	if w.files != nil {
		w.dir = filepath.Join(w.root, dir)
	}
}

// fileNames turns names into file names: all characters but letters, digits, '-',
// '_' and '.' are replaced, long names are cut, and no two names are the same on a
// file system that ignores case.
func fileNames(names []string) []string {
	files := make([]string, len(names))
	taken := map[string]bool{}
	for i, name := range names {
		base := strings.TrimLeft(strings.Map(func(r rune) rune {
			switch {
			case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '_', r == '.':
				return r
			}
			return '-'
		}, name), ".")
		if base == "" {
			base = "unnamed"
		}
		base = base[:min(len(base), 200)]
		file := base
		for n := 2; taken[strings.ToLower(file)]; n++ {
			file = fmt.Sprint(base, "-", n)
		}
		taken[strings.ToLower(file)] = true
		files[i] = file
	}
	return files
}
