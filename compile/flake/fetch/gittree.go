package fetch

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"muster/compile/flake"
	"muster/compile/store"
)

// A gitEntry is a file of a commit or of the index.
type gitEntry struct {
	mode, object, path string
}

// The modes of entries.
const (
	modeExecutable = "100755"
	modeLink       = "120000"
	modeSubmodule  = "160000"
)

// exportCommit writes the files of a commit to the cache.
func (f *Fetcher) exportCommit(ctx context.Context, a flake.Attrs, r repository, from string) (Tree, error) {
	tmp, remove, err := f.temp()
	if err != nil {
		return Tree{}, err
	}
	defer remove()
	dir := filepath.Join(tmp, "x")
	if err := os.Mkdir(dir, 0o755); err != nil {
		return Tree{}, err
	}
	entries, err := r.list(ctx, a.String("rev"))
	if err != nil {
		return Tree{}, err
	}
	if a.Bool("exportIgnore") {
		if entries, err = r.exported(ctx, a.String("rev"), tmp, entries); err != nil {
			return Tree{}, err
		}
	}
	if err := r.write(ctx, dir, entries); err != nil {
		return Tree{}, fmt.Errorf("read commit %s: %w", a.String("rev"), err)
	}
	if a.Bool("submodules") {
		if from == "" {
			from, err = r.line(ctx, "config", "--get", "remote.origin.url")
			if err != nil {
				from = "file://" + r.dir
			}
		}
		if err := f.addSubmodules(ctx, a, r, from, dir, entries); err != nil {
			return Tree{}, err
		}
	}
	return f.keep(dir, a.Name())
}

// list returns the files of a commit.
func (r repository) list(ctx context.Context, rev string) ([]gitEntry, error) {
	out, err := r.run(ctx, "ls-tree", "-r", "-z", "--full-tree", "--end-of-options", rev)
	if err != nil {
		return nil, err
	}
	var entries []gitEntry
	for record := range strings.SplitSeq(out, "\x00") {
		if record == "" {
			continue
		}
		info, name, _ := strings.Cut(record, "\t")
		words := strings.Fields(info)
		if len(words) != 3 || !isInside(name) {
			return nil, fmt.Errorf("git lists a file that cannot be: %q", record)
		}
		entries = append(entries, gitEntry{mode: words[0], object: words[2], path: name})
	}
	if len(entries) > r.f.limits().Entries {
		return nil, fmt.Errorf("it holds more than %d files", r.f.limits().Entries)
	}
	return entries, nil
}

// isInside reports whether a path of git's stays in the tree.
func isInside(name string) bool {
	return filepath.IsLocal(name) && path.Clean(name) == name && name != "."
}

// write writes files to a directory. As for Nix, their content is what git has, unfiltered, and a submodule is an empty
// directory.
func (r repository) write(ctx context.Context, dir string, entries []gitEntry) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := r.command(ctx, "cat-file", "--batch")
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return explainGit(ctx, []string{"cat-file"}, "", err)
	}
	go func() {
		w := bufio.NewWriter(in)
		for _, e := range entries {
			if e.mode != modeSubmodule {
				w.WriteString(e.object + "\n")
			}
		}
		w.Flush()
		in.Close()
	}()
	w := gitWriter{root: root, in: bufio.NewReaderSize(out, 64<<10), made: map[string]bool{".": true}, left: r.f.limits().Unpacked}
	for _, e := range entries {
		if err := w.entry(e); err != nil {
			cancel()
			cmd.Wait()
			return err
		}
	}
	return explainGit(ctx, []string{"cat-file"}, "", cmd.Wait())
}

// A gitWriter writes the objects that git cat-file --batch prints.
type gitWriter struct {
	root *os.Root
	in   *bufio.Reader
	made map[string]bool // directories
	left int64           // bytes that may still be written
}

func (w *gitWriter) entry(e gitEntry) error {
	if err := w.dir(path.Dir(e.path)); err != nil {
		return err
	}
	if e.mode == modeSubmodule {
		return w.dir(e.path)
	}
	header, err := w.in.ReadString('\n')
	if err != nil {
		return fmt.Errorf("git does not give the content of %s: %w", e.path, err)
	}
	words := strings.Fields(header)
	if len(words) != 3 || words[1] != "blob" {
		return fmt.Errorf("git has no content of %s: %s", e.path, strings.TrimSpace(header))
	}
	size, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil || size < 0 {
		return fmt.Errorf("git gives no size of %s", e.path)
	}
	if w.left -= size; w.left < 0 {
		return errors.New("its files have too many bytes")
	}
	content := io.LimitReader(w.in, size)
	if e.mode == modeLink {
		err = w.link(e.path, content)
	} else {
		err = w.file(e.path, content, size, e.mode == modeExecutable)
	}
	if err == nil {
		_, err = w.in.Discard(1)
	}
	return err
}

func (w *gitWriter) link(name string, content io.Reader) error {
	var target strings.Builder
	_, err := io.Copy(&target, content)
	if err == nil {
		err = w.root.Symlink(target.String(), name)
	}
	return err
}

func (w *gitWriter) file(name string, content io.Reader, size int64, executable bool) error {
	out, err := w.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeOf(executable))
	if err != nil {
		return err
	}
	_, err = io.CopyN(out, content, size)
	return errors.Join(err, out.Close())
}

func (w *gitWriter) dir(name string) error {
	if w.made[name] {
		return nil
	}
	if err := w.dir(path.Dir(name)); err != nil {
		return err
	}
	w.made[name] = true
	return w.root.Mkdir(name, 0o755)
}

// exported leaves out what .gitattributes of a commit says export-ignore for.
func (r repository) exported(ctx context.Context, rev, tmp string, entries []gitEntry) ([]gitEntry, error) {
	if !slices.ContainsFunc(entries, func(e gitEntry) bool { return path.Base(e.path) == ".gitattributes" }) {
		return entries, nil
	}
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(tmp, "index")}
	if _, err := r.feed(ctx, nil, env, "read-tree", rev); err != nil {
		return nil, err
	}
	return r.withoutIgnored(ctx, env, entries)
}

// withoutIgnored leaves out the files for which the attributes in the index say export-ignore, or say it for a directory
// above.
func (r repository) withoutIgnored(ctx context.Context, env []string, entries []gitEntry) ([]gitEntry, error) {
	var ask strings.Builder
	seen := map[string]bool{}
	for _, e := range entries {
		for p := e.path; p != "." && !seen[p]; p = path.Dir(p) {
			seen[p] = true
			ask.WriteString(p + "\x00")
		}
	}
	out, err := r.feed(ctx, strings.NewReader(ask.String()), env, "check-attr", "--cached", "-z", "--stdin", "export-ignore")
	if err != nil {
		return nil, err
	}
	ignored := map[string]bool{}
	words := strings.Split(out, "\x00")
	for i := 0; i+2 < len(words); i += 3 {
		ignored[words[i]] = words[i+2] == "set"
	}
	return slices.DeleteFunc(entries, func(e gitEntry) bool {
		for p := e.path; p != "."; p = path.Dir(p) {
			if ignored[p] {
				return true
			}
		}
		return false
	}), nil
}

// A submodule is an entry of .gitmodules.
type submodule struct{ path, url, branch string }

// submodules reads .gitmodules: that of a commit, or of the work tree if rev is "".
func (r repository) submodules(ctx context.Context, rev string) ([]submodule, error) {
	args := []string{"config", "-z", "--blob", rev + ":.gitmodules"}
	if rev == "" {
		if _, err := os.Lstat(filepath.Join(r.dir, ".gitmodules")); err != nil {
			return nil, nil
		}
		args = []string{"config", "-z", "--file", ".gitmodules"}
	}
	out, err := r.run(ctx, append(args, "--list")...)
	if err != nil {
		return nil, fmt.Errorf("read .gitmodules: %w", err)
	}
	found := map[string]*submodule{}
	var names []string
	for record := range strings.SplitSeq(out, "\x00") {
		key, value, _ := strings.Cut(record, "\n")
		name, ok := strings.CutPrefix(key[:max(0, strings.LastIndexByte(key, '.'))], "submodule.")
		if !ok || name == "" {
			continue
		}
		if found[name] == nil {
			found[name] = &submodule{}
			names = append(names, name)
		}
		switch key[strings.LastIndexByte(key, '.')+1:] {
		case "path":
			found[name].path = value
		case "url":
			found[name].url = value
		case "branch":
			found[name].branch = value
		}
	}
	var list []submodule
	for _, name := range names {
		if s := *found[name]; s.path != "" {
			list = append(list, s)
		}
	}
	return list, nil
}

// addSubmodules fetches the submodules of a commit to their directories.
func (f *Fetcher) addSubmodules(ctx context.Context, a flake.Attrs, r repository, from, dir string, entries []gitEntry) error {
	if !slices.ContainsFunc(entries, func(e gitEntry) bool { return e.mode == modeSubmodule }) || !slices.ContainsFunc(entries, func(e gitEntry) bool { return e.path == ".gitmodules" }) {
		return nil
	}
	declared, err := r.submodules(ctx, a.String("rev"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		i := slices.IndexFunc(declared, func(s submodule) bool { return s.path == e.path })
		if e.mode != modeSubmodule || i < 0 {
			continue
		}
		s := declared[i]
		in := flake.Attrs{"type": "git", "url": submoduleURL(from, s.url), "rev": e.object, "submodules": true, "allRefs": true, "exportIgnore": false}
		switch s.branch {
		case "":
		case ".":
			in["ref"] = a["ref"]
		default:
			in["ref"] = s.branch
		}
		t, err := f.Fetch(ctx, in, false)
		if err != nil {
			return fmt.Errorf("submodule %s: %w", s.path, err)
		}
		to := filepath.Join(dir, filepath.FromSlash(e.path))
		if err := os.Remove(to); err != nil {
			return err
		}
		if _, err := copyTree(t.Dir, to, nil); err != nil {
			return err
		}
	}
	return nil
}

// Tracked are the paths of a work tree that git knows, and the directories that they are in.
type tracked map[string]bool

// filter accepts what is tracked below a directory.
func (t tracked) filter(dir string) store.Filter {
	return func(p string, _ store.FileType) (bool, error) { return t[strings.TrimPrefix(p, dir+"/")], nil }
}

// tracked returns the files of a work tree that are in its index and on disk, and whether any differs from HEAD. Below is
// the path of the work tree in the outermost one.
func (r repository) tracked(ctx context.Context, below string, submodules, exportIgnore bool) (t tracked, dirty bool, err error) {
	var out, status string
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		out, err = r.run(groupCtx, "ls-files", "-z", "--stage", "-v")
		return err
	})
	group.Go(func() (err error) {
		status, err = r.run(groupCtx, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=all")
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, false, err
	}
	var entries []gitEntry
	flags := map[string]string{} // of the index, by path, where they are not the usual ones
	for record := range strings.SplitSeq(out, "\x00") {
		info, name, ok := strings.Cut(record, "\t")
		flag, info, _ := strings.Cut(info, " ")
		if mode, _, _ := strings.Cut(info, " "); ok && isInside(name) {
			entries = append(entries, gitEntry{mode: mode, path: name})
			if flag != "H" {
				flags[name] = flag
			}
		}
	}
	if exportIgnore {
		if entries, err = r.withoutIgnored(ctx, nil, entries); err != nil {
			return nil, false, err
		}
	}
	t = tracked{}
	dirty = status != ""
	directories := map[string]bool{".": true} // directories that are no links, and have none above them
	for _, e := range entries {
		if e.mode == modeSubmodule {
			continue
		}
		there := r.isDirectory(path.Dir(e.path), directories)
		if there {
			info, err := os.Lstat(filepath.Join(r.dir, e.path))
			there = err == nil && !info.IsDir()
		}
		switch flag := flags[e.path]; {
		case there || flag == strings.ToLower(flag) && flag != "":
			t.add(path.Join(below, e.path)) // what is assumed to be unchanged is taken for being there
		case flag == skipWorktree:
			dirty = true // git does not say so, Nix does
		}
	}
	if submodules {
		more, err := r.trackedSubmodules(ctx, below, t)
		return t, dirty || more, err
	}
	return t, dirty, nil
}

// skipWorktree is the flag of a file that a sparse checkout leaves out.
const skipWorktree = "S"

// isDirectory reports whether a path is a directory that no symbolic link leads to. It keeps what it finds in known.
func (r repository) isDirectory(p string, known map[string]bool) bool {
	is, ok := known[p]
	if !ok {
		info, err := os.Lstat(filepath.Join(r.dir, p))
		is = err == nil && info.IsDir() && r.isDirectory(path.Dir(p), known)
		known[p] = is
	}
	return is
}

func (t tracked) add(p string) {
	for ; p != "." && !t[p]; p = path.Dir(p) {
		t[p] = true
	}
}

// trackedSubmodules adds the files of submodules, and reports whether any differs from its HEAD.
func (r repository) trackedSubmodules(ctx context.Context, below string, t tracked) (dirty bool, err error) {
	declared, err := r.submodules(ctx, "")
	if err != nil {
		return false, err
	}
	for _, s := range declared {
		dir := filepath.Join(r.dir, s.path)
		if _, err := os.Stat(filepath.Join(dir, ".git")); !isInside(s.path) || err != nil {
			return false, fmt.Errorf("submodule %s is not checked out: git submodule update --init", s.path)
		}
		more, changed, err := repository{f: r.f, dir: dir, worktree: true}.tracked(ctx, path.Join(below, s.path), true, false)
		if err != nil {
			return false, fmt.Errorf("submodule %s: %w", s.path, err)
		}
		t.add(path.Join(below, s.path))
		for p := range more {
			t[p] = true
		}
		dirty = dirty || changed
	}
	return dirty, nil
}
