package fetch

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"muster/compile/flake"
	"muster/exec/foreign"
)

// Locate parses a reference that the user gives in a directory, such as .#web or nixpkgs#hello. A path stands for the flake
// in it or above it, and for the git repository that holds it.
func Locate(text, dir string) (ref flake.Ref, fragment string, err error) {
	p, query, fragment, ok := flake.IsPath(text)
	if !ok {
		if rest, ok := strings.CutPrefix(text, "git+file:"); ok && !strings.HasPrefix(rest, "/") {
			text = "git+file://" + filepath.Clean(dir) + "/" + rest
		}
		if ref, fragment, err = flake.ParseWithFragment(text, true); err != nil {
			return flake.Ref{}, "", err
		}
		return absolute(ref, dir), fragment, nil
	}
	if !filepath.IsAbs(p) {
		p = filepath.Join(dir, p)
	}
	if p, err = flakeDir(p); err != nil {
		if scheme, _, ok := strings.Cut(text, ":"); ok && !strings.Contains(scheme, "/") && errors.Is(err, fs.ErrNotExist) {
			return flake.Ref{}, "", fmt.Errorf("find the flake: '%s' is no path that exists, and no URL: there, spaces and the like are written as %%20", text)
		}
		return flake.Ref{}, "", err
	}
	if fragment, err = url.PathUnescape(fragment); err != nil {
		return flake.Ref{}, "", err
	}
	ref, err = repositoryRef(p, query)
	return ref, fragment, err
}

// absolute makes the path of a reference absolute.
func absolute(ref flake.Ref, dir string) flake.Ref {
	if p, relative := ref.Attrs.Relative(); relative {
		ref.Attrs = ref.Attrs.With("path", filepath.Join(dir, p))
	}
	return ref
}

// flakeDir finds the directory with flake.nix: p or one above.
func flakeDir(p string) (string, error) {
	asked := p
	real, err := filepath.EvalSymlinks(p)
	var info fs.FileInfo
	if err == nil {
		info, err = os.Stat(real)
	}
	switch p = real; {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("find the flake: path '%s' does not exist: %w", asked, fs.ErrNotExist)
	case err != nil:
		return "", fmt.Errorf("find the flake: %w", err)
	case !info.IsDir() && filepath.Base(p) == "flake.nix":
		p = filepath.Dir(p)
	case !info.IsDir():
		return "", fmt.Errorf("path '%s' is not a flake (because it's not a directory)", p)
	}
	for dir := p; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, "flake.nix")) {
			return dir, nil
		}
		if exists(filepath.Join(dir, ".git")) || dir == filepath.Dir(dir) {
			return "", fmt.Errorf("path '%s' is not part of a flake (neither it nor its parent directories contain a 'flake.nix' file)", p)
		}
	}
}

func exists(p string) bool {
	_, err := os.Lstat(p)
	return err == nil
}

// repositoryRef refers to a directory as part of the git repository that it is in, if it is in one.
func repositoryRef(p, query string) (flake.Ref, error) {
	join := func(text, more string) string {
		switch {
		case more == "":
			return text
		case strings.Contains(text, "?"):
			return text + "&" + more
		}
		return text + "?" + more
	}
	for root := p; ; root = filepath.Dir(root) {
		if exists(filepath.Join(root, ".git")) {
			text := "git+file://" + (&url.URL{Path: root}).EscapedPath()
			if below, _ := filepath.Rel(root, p); below != "." {
				text = join(text, "dir="+url.QueryEscape(below))
			}
			if exists(filepath.Join(root, ".git", "shallow")) {
				text = join(text, "shallow=1")
			}
			return flake.Parse(join(text, query), false)
		}
		if root == filepath.Dir(root) {
			return flake.Parse(join("path:"+(&url.URL{Path: p}).EscapedPath(), query), false)
		}
	}
}

const maxRegistry = 16 << 20

// ReadRegistries reads registry files, the most important first. One that does not exist is empty.
func ReadRegistries(names ...string) (flake.Registry, error) {
	var all flake.Registry
	for _, name := range names {
		text, err := foreign.ReadFile(name, foreign.Settings(maxRegistry))
		if foreign.IsMissing(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the flake registry: %w", err)
		}
		r, err := flake.ParseRegistry(name, text)
		if err != nil {
			return nil, err
		}
		all = append(all, r...)
	}
	return all, nil
}
