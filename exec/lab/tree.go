package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A tree is a Debian with systemd in a directory, made once by debootstrap and shared by all labs of this machine: the disk of a
// systemd host is a copy on write of it. It lies in the user's cache directory, under a name that changes with all it is made
// from.
type tree struct {
	dir string
	use *os.File // shared lock: nobody removes the tree while it is used
}

// treeAge is for how long a tree stays after its last use. Working copies with other trees take turns, and a minute is a
// long time to make one.
const treeAge = 14 * 24 * time.Hour

// treePackages are the packages of the tree beside Debian's minimal system. libdbi-perl is named for debootstrap, which does
// not find it as perl-dbdabi.
var treePackages = []string{
	"age", "dbus", "iproute2", "libdbi-perl", "libpam-systemd", "nix-bin", "openssh-server", "procps", "sudo", "systemd", "systemd-sysv", "zstd",
}

//go:embed systemd
var treeFiles embed.FS

// A mirror is where Debian packages come from.
type mirror struct {
	uri, suite, components string
}

// Tree is the directory with the Debian that systemd hosts are copies of. It is whole and
// stays until done is called; nothing may be written to it.
func Tree(ctx context.Context) (dir string, done func(), err error) {
	t, err := openTree(ctx)
	if err != nil {
		return "", nil, err
	}
	return t.dir, t.close, nil
}

// openTree returns the tree, and makes it if need be, which takes a minute and a network.
func openTree(ctx context.Context) (*tree, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = "/root/.cache" // no HOME, as in some CI
	}
	cache = filepath.Join(cache, "muster", "lab")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	m := aptMirror("/etc")
	name := "debian-" + m.suite + "-" + treeVersion(m)
	t := &tree{dir: filepath.Join(cache, name)}
	for {
		if t.use, err = lockFile(ctx, t.dir+".lock", false); err != nil {
			return nil, err
		}
		if _, err := os.Stat(t.dir); err == nil {
			now := time.Now()
			return t, os.Chtimes(t.use.Name(), now, now)
		}
		t.use.Close()
		if err := t.make(ctx, m); err != nil {
			return nil, fmt.Errorf("make %s: %w", t.dir, err)
		}
		prune(cache, time.Now().Add(-treeAge))
	}
}

func (t *tree) close() {
	if t != nil && t.use != nil {
		t.use.Close()
	}
}

// treeVersion is a hash of what decides the tree's content.
func treeVersion(m mirror) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q\n", m, treePackages, sshdConfig, nixConfig)
	fs.WalkDir(treeFiles, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			content, _ := treeFiles.ReadFile(path)
			fmt.Fprintln(h, path, len(content))
			h.Write(content)
		}
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// make builds the tree beside its place and renames it, so that it is whole or not there.
func (t *tree) make(ctx context.Context, m mirror) error {
	lock, err := lockFile(ctx, t.dir+".lock", true)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(t.dir); err == nil {
		return nil // another process was faster
	}
	part, files := t.dir+".part", t.dir+".files"
	defer os.RemoveAll(files)
	for _, dir := range []string{part, files} {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	if err := writeTreeFiles(files); err != nil {
		return err
	}
	line := clean("unshare", "--mount", "--propagation=private", "/bin/sh", filepath.Join(files, "tree.sh"),
		part, m.suite, m.uri, m.components, strings.Join(treePackages, ","), files)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = append(cleanEnv(), proxies()...)
	cmd.WaitDelay = time.Second
	if err := output("debootstrap", cmd, cmd.Start); err != nil {
		os.RemoveAll(part)
		return err
	}
	return os.Rename(part, t.dir)
}

// writeTreeFiles writes what tree.sh puts into the tree.
func writeTreeFiles(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := map[string][]byte{
		"nix.conf":    []byte(nixConfig),
		"sshd_config": []byte(strings.Replace(sshdConfig, "UsePAM no", "UsePAM yes", 1)),
	}
	for name, path := range map[string]string{"tree.sh": "tree.sh", "init": "init.sh", "sshd.service": "sshd.service"} {
		content, err := treeFiles.ReadFile("systemd/" + path)
		if err != nil {
			return err
		}
		files[name] = content
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the trees that were last used before a time and that nobody uses.
func prune(cache string, before time.Time) {
	locks, _ := filepath.Glob(filepath.Join(cache, "debian-*.lock"))
	for _, path := range locks {
		if info, err := os.Stat(path); err != nil || info.ModTime().After(before) {
			continue
		}
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		if tryLock(f, true) == nil {
			dir := strings.TrimSuffix(path, ".lock")
			os.RemoveAll(dir)
			os.RemoveAll(dir + ".part")
			os.Remove(path)
		}
		f.Close()
	}
}

// lockFile locks the file at path, shared or exclusively, and waits while others hold it.
func lockFile(ctx context.Context, path string, exclusive bool) (*os.File, error) {
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if tryLock(f, exclusive) == nil && isAt(f, path) {
			return f, nil
		}
		f.Close()
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// isAt reports whether a file is still at path: whoever removes a tree removes its lock file, too.
func isAt(f *os.File, path string) bool {
	own, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(own, there)
}

// proxies are the environment's settings for debootstrap's downloads.
func proxies() (env []string) {
	for _, name := range []string{"http_proxy", "https_proxy", "no_proxy"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// aptMirror is where this machine's own packages come from, according to apt's sources in etc; Debian's own mirror for its stable
// release if they do not say.
func aptMirror(etc string) mirror {
	release, _ := os.ReadFile(filepath.Join(etc, "os-release"))
	suite := "bookworm"
	for line := range strings.Lines(string(release)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "VERSION_CODENAME="); ok {
			suite = strings.Trim(value, `"`)
		}
	}
	for _, m := range aptSources(etc) {
		if slices.Contains(strings.Fields(m.suite), suite) && slices.Contains(strings.Fields(m.components), "main") && strings.HasPrefix(m.uri, "http") {
			return mirror{uri: m.uri, suite: suite, components: strings.Join(strings.Fields(m.components), ",")}
		}
	}
	return mirror{uri: "http://deb.debian.org/debian", suite: "bookworm", components: "main"}
}

// aptSources reads sources.list(5) in both its formats.
func aptSources(etc string) (sources []mirror) {
	dir := filepath.Join(etc, "apt", "sources.list.d")
	paths, _ := filepath.Glob(filepath.Join(dir, "*.sources"))
	for _, path := range paths {
		content, _ := os.ReadFile(path)
		for _, stanza := range strings.Split(string(content), "\n\n") {
			sources = append(sources, aptStanza(stanza))
		}
	}
	lists, _ := filepath.Glob(filepath.Join(dir, "*.list"))
	for _, path := range append([]string{filepath.Join(etc, "apt", "sources.list")}, lists...) {
		content, _ := os.ReadFile(path)
		lines := bufio.NewScanner(bytes.NewReader(content))
		for lines.Scan() {
			sources = append(sources, aptLine(lines.Text()))
		}
	}
	return sources
}

// aptStanza reads "URIs: …" and the like.
func aptStanza(stanza string) (m mirror) {
	for line := range strings.Lines(stanza) {
		key, value, _ := strings.Cut(line, ":")
		switch value = strings.TrimSpace(value); key {
		case "URIs":
			m.uri, _, _ = strings.Cut(value, " ")
		case "Suites":
			m.suite = value
		case "Components":
			m.components = value
		}
	}
	return m
}

// aptLine reads "deb [options] URI SUITE COMPONENT...".
func aptLine(line string) mirror {
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
	if !ok {
		return mirror{}
	}
	if strings.HasPrefix(strings.TrimSpace(rest), "[") {
		_, rest, _ = strings.Cut(rest, "]")
	}
	fields := strings.Fields(rest)
	if len(fields) < 3 {
		return mirror{}
	}
	return mirror{uri: fields[0], suite: fields[1], components: strings.Join(fields[2:], " ")}
}
