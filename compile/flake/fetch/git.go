package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"muster/compile/flake"
	"muster/exec/foreign"
)

// git fetches a commit of a repository, or the files of a work tree on this machine as they are.
func (f *Fetcher) git(ctx context.Context, a flake.Attrs) (Tree, error) {
	for _, name := range []string{"verifyCommit", "publicKey", "publicKeys", "keytype", "lfs"} {
		if a.Has(name) && a[name] != false {
			return Tree{}, fmt.Errorf("the attribute %s of git inputs is not supported", name)
		}
	}
	if a.Bool("exportIgnore") && a.Bool("submodules") {
		return Tree{}, errors.New("exportIgnore and submodules are not supported together yet")
	}
	u, err := url.Parse(a.String("url"))
	if err != nil {
		return Tree{}, fmt.Errorf("%s is not a URL", a.String("url"))
	}
	if u.Scheme == "file" {
		dir, err := filepath.Abs(cmp.Or(u.Path, u.Opaque))
		if err != nil {
			return Tree{}, err
		}
		if real, err := filepath.EvalSymlinks(dir); err == nil {
			dir = real
		}
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return f.localGit(ctx, a, repository{f: f, dir: dir, worktree: true})
		}
		if _, err := os.Stat(dir); err != nil {
			return Tree{}, fmt.Errorf("open the git repository %s: %w", dir, err)
		}
		u = &url.URL{Scheme: "file", Path: dir}
	}
	q := u.Query()
	q.Del("dir") // older versions of Nix leave it in the URL
	u.RawQuery = q.Encode()
	return f.remoteGit(ctx, a, u.String())
}

// localGit fetches from a repository with a work tree.
func (f *Fetcher) localGit(ctx context.Context, a flake.Attrs, r repository) (Tree, error) {
	if !a.Has("ref") && !a.Has("rev") {
		return f.worktree(ctx, a, r)
	}
	a = maps.Clone(a)
	if !a.Has("ref") {
		head, err := r.head(ctx)
		if err != nil {
			return Tree{}, err
		}
		a["ref"] = head
	}
	if !a.Has("rev") {
		rev, err := r.resolve(ctx, a.String("ref"))
		if err != nil {
			return Tree{}, err
		}
		a["rev"] = rev
	}
	return f.commit(ctx, a, r, "")
}

// remoteGit fetches from a repository elsewhere, by way of a bare one in the cache.
func (f *Fetcher) remoteGit(ctx context.Context, a flake.Attrs, from string) (Tree, error) {
	shallow := a.Bool("shallow")
	key := keyOf("git", from, strconv.FormatBool(shallow))
	unlock, err := f.lock(key)
	if err != nil {
		return Tree{}, err
	}
	defer unlock()
	r := repository{f: f, dir: filepath.Join(f.Dir, "git", key)}
	if err := r.create(ctx); err != nil {
		return Tree{}, err
	}
	a = maps.Clone(a)
	if err := r.update(ctx, a, from, shallow); err != nil {
		return Tree{}, err
	}
	return f.commit(ctx, a, r, from)
}

// create makes a bare repository, unless it is there.
func (r repository) create(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(r.dir, "HEAD")); err == nil {
		return nil
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	_, err := r.run(ctx, "init", "--quiet", "--bare", "--template=")
	return err
}

// update fetches what an input needs, and sets its ref and rev.
func (r repository) update(ctx context.Context, a flake.Attrs, from string, shallow bool) error {
	rev := a.String("rev")
	if rev != "" && r.has(ctx, rev) {
		if !a.Has("ref") {
			a["ref"] = r.defaultRef(ctx, from)
		}
		return nil
	}
	ref := a.String("ref")
	if ref == "" {
		ref = r.defaultRef(ctx, from)
		a["ref"] = ref
	}
	local := ref
	if !strings.HasPrefix(ref, "refs/") && ref != "HEAD" {
		local = "refs/heads/" + ref
	}
	stamp := filepath.Join(r.dir, "fetched-"+keyOf(local)[:16])
	if rev == "" && !a.Bool("allRefs") && r.recent(ctx, stamp, local) {
		return r.take(ctx, a, local)
	}
	err := r.fetchRefs(ctx, from, local, rev, a.Bool("allRefs"), shallow)
	switch _, e := r.resolve(ctx, local); {
	case err == nil:
		os.WriteFile(stamp, nil, 0o600)
	case rev == "" && e == nil:
		r.f.warn("could not update local clone of Git repository '%s'; continuing with the most recent version: %v", from, err)
	default:
		return err
	}
	if rev == "" {
		return r.take(ctx, a, local)
	}
	if !r.has(ctx, rev) {
		return fmt.Errorf("cannot find Git revision '%s' in ref '%s' of repository '%s': give the ref that has it, or allRefs = true", rev, ref, from)
	}
	return nil
}

func (r repository) take(ctx context.Context, a flake.Attrs, local string) error {
	rev, err := r.resolve(ctx, local)
	a["rev"] = rev
	return err
}

// recent reports whether a ref was fetched a short time ago.
func (r repository) recent(ctx context.Context, stamp, local string) bool {
	info, err := os.Stat(stamp)
	if err != nil || time.Since(info.ModTime()) >= r.f.ttl() {
		return false
	}
	_, err = r.resolve(ctx, local)
	return err == nil
}

// fetchRefs fetches a revision or a ref. Servers that do not give a revision by its name are asked for the ref.
func (r repository) fetchRefs(ctx context.Context, from, local, rev string, all, shallow bool) error {
	fetch := func(refspec string) error {
		args := []string{"fetch", "--quiet", "--force", "--no-tags", "--no-recurse-submodules", "--no-auto-gc", "--update-head-ok"}
		if shallow {
			args = append(args, "--depth", "1")
		}
		_, err := r.run(ctx, append(args, "--end-of-options", from, refspec)...)
		return err
	}
	if all {
		return fetch("+refs/*:refs/*")
	}
	if rev != "" && fetch(rev) == nil {
		return nil
	}
	if local == "HEAD" {
		return fetch("+HEAD:refs/muster/HEAD")
	}
	shallow = shallow && rev == ""
	err := fetch("+" + local + ":" + local)
	if err != nil && strings.HasPrefix(local, "refs/heads/") {
		// The ref may be a tag.
		tag := "refs/tags/" + strings.TrimPrefix(local, "refs/heads/")
		if fetch("+"+tag+":"+local) == nil {
			return nil
		}
	}
	return err
}

// defaultRef returns the branch that HEAD of a repository elsewhere is at.
func (r repository) defaultRef(ctx context.Context, from string) string {
	out, err := r.run(ctx, "ls-remote", "--symref", "--end-of-options", from, "HEAD")
	if err == nil {
		for line := range strings.Lines(out) {
			if target, ok := strings.CutPrefix(line, "ref: "); ok {
				ref := strings.Fields(target)[0]
				os.WriteFile(filepath.Join(r.dir, "default"), []byte(ref), 0o600)
				return ref
			}
		}
	}
	if ref, err := foreign.ReadFile(filepath.Join(r.dir, "default"), foreign.Limits{Size: 4096}); err == nil {
		return string(ref)
	}
	return "refs/heads/master"
}

// commit makes the tree of a commit. From is the URL that relative URLs of submodules are relative to.
func (f *Fetcher) commit(ctx context.Context, a flake.Attrs, r repository, from string) (Tree, error) {
	rev := a.String("rev")
	if !r.has(ctx, rev) {
		return Tree{}, fmt.Errorf("cannot find Git revision '%s' in ref '%s' of repository '%s'", rev, a.String("ref"), r.dir)
	}
	key := keyOf("commit", rev, a.Name(), strconv.FormatBool(a.Bool("exportIgnore")), strconv.FormatBool(a.Bool("submodules")))
	t, _, _, known := f.recall(key)
	if !known {
		var err error
		if t, err = f.exportCommit(ctx, a, r, from); err != nil {
			return Tree{}, err
		}
		f.remember(key, t, "")
	}
	if err := r.describe(ctx, a, rev); err != nil {
		return Tree{}, err
	}
	a["narHash"] = t.Locked["narHash"]
	t.Locked = a
	return t, nil
}

// describe adds the time of a commit, and the number of commits that lead to it.
func (r repository) describe(ctx context.Context, a flake.Attrs, rev string) error {
	if _, ok := a.Int("lastModified"); !ok {
		n, err := r.number(ctx, "log", "-1", "--format=%ct", "--no-show-signature", "--end-of-options", rev)
		if err != nil {
			return err
		}
		a["lastModified"] = n
	}
	if _, ok := a.Int("revCount"); ok || a.Bool("shallow") {
		return nil
	}
	if r.shallow(ctx) {
		return fmt.Errorf("'%s' is a shallow Git repository, but shallow repositories are only allowed when `shallow = true;` is specified", r.dir)
	}
	n, err := r.f.revCount(ctx, r, rev)
	a["revCount"] = n
	return err
}

func (r repository) number(ctx context.Context, args ...string) (int64, error) {
	out, err := r.line(ctx, args...)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(out, 10, 64)
}

// revCount counts commits. That takes seconds for a long history, so it is noted.
func (f *Fetcher) revCount(ctx context.Context, r repository, rev string) (int64, error) {
	file := filepath.Join(f.Dir, "info", keyOf("revCount", rev))
	if text, err := foreign.ReadFile(file, foreign.Limits{Size: 100}); err == nil {
		if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
			return n, nil
		}
	}
	n, err := r.number(ctx, "rev-list", "--count", "--end-of-options", rev)
	if err == nil && os.MkdirAll(filepath.Dir(file), 0o700) == nil {
		os.WriteFile(file, []byte(strconv.FormatInt(n, 10)), 0o600)
	}
	return n, err
}

// worktree makes the tree of a work tree: of the files that git tracks, as they are on disk.
func (f *Fetcher) worktree(ctx context.Context, a flake.Attrs, r repository) (Tree, error) {
	a = maps.Clone(a)
	var tracked tracked
	var dirty bool
	var rev string
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		tracked, dirty, err = r.tracked(groupCtx, "", a.Bool("submodules"), a.Bool("exportIgnore"))
		return err
	})
	var modified int64 // when HEAD was committed
	group.Go(func() (err error) {
		rev, modified, err = r.headCommit(groupCtx)
		return err
	})
	if err := group.Wait(); err != nil {
		return Tree{}, err
	}
	a["lastModified"] = modified
	// Git knows whether a file has changed without reading it.
	key := keyOf(append([]string{"worktree", r.dir, rev, a.Name()}, slices.Sorted(maps.Keys(tracked))...)...)
	t, _, _, known := f.recall(key)
	if dirty || rev == "" || a.Bool("submodules") || !known {
		var err error
		if t, err = f.copy(r.dir, a.Name(), tracked.filter(r.dir), nil); err != nil {
			return Tree{}, err
		}
		if !dirty {
			f.remember(key, t, "")
		}
	}
	switch {
	case dirty && rev != "":
		a["dirtyRev"], a["dirtyShortRev"] = rev+"-dirty", rev[:7]+"-dirty"
		fallthrough
	case dirty:
		f.warn("Git tree '%s' is dirty", r.dir)
	default:
		if err := r.clean(ctx, a, rev); err != nil {
			return Tree{}, err
		}
	}
	a["narHash"] = t.Locked["narHash"]
	t.Locked = a
	return t, nil
}

// clean adds the revision of a work tree in which nothing is changed.
func (r repository) clean(ctx context.Context, a flake.Attrs, rev string) error {
	head, err := r.head(ctx)
	if err != nil {
		return err
	}
	if head != "HEAD" {
		a["ref"] = head
	}
	if rev == "" {
		a["rev"] = strings.Repeat("0", 40)
		if !a.Bool("shallow") {
			a["revCount"] = int64(0)
		}
		return nil
	}
	a["rev"] = rev
	return r.describe(ctx, a, rev)
}

// submoduleURL resolves the URL of a submodule against that of the repository.
func submoduleURL(base, text string) string {
	if !strings.HasPrefix(text, "./") && !strings.HasPrefix(text, "../") {
		return text
	}
	u, err := url.Parse(base)
	if err != nil {
		return text
	}
	u.Path = path.Join(u.Path, text)
	return u.String()
}
