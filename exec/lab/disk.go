package lab

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// A template is what the disks of a lab's new hosts have in common.
//
// A host's root is a file system of its own with nothing of this machine's in it but its programs (/usr, copied on write)
// and the few files of /etc that programs need.
type template struct {
	links map[string]string // path → target
	files map[string][]byte
}

// dirs are the directories of a new host, with their permissions.
var dirs = []struct {
	path string
	mode os.FileMode
}{
	{"etc", 0o755}, {"etc/alternatives", 0o755}, {"etc/nix", 0o755}, {"etc/ssh", 0o755}, {"etc/ssh/authorized_keys.d", 0o755},
	{"boot", 0o755}, {"dev", 0o755}, {"home", 0o755}, {"mnt", 0o755}, {"proc", 0o555}, {"root", 0o700}, {"run", 0o755},
	{"sys", 0o555}, {"tmp", 0o1777 | os.ModeSticky}, {"usr", 0o755}, {"nix", 0o755},
	{"var", 0o755}, {"var/lib", 0o755}, {"var/log", 0o755}, {"var/tmp", 0o777 | os.ModeSticky},
}

const sshdConfig = `Port 22
ListenAddress 0.0.0.0
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PidFile /run/sshd.pid
LogLevel VERBOSE
SetEnv PATH=` + hostPath + `
Subsystem sftp internal-sftp
# OpenSSH's own first choice costs the client 0.2 s of CPU a connection.
KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org
`

const nixConfig = `# One user, no daemon, no network.
build-users-group =
sandbox = false
substitute = false
substituters =
fsync-metadata = false
gc-reserved-space = 0
experimental-features = nix-command
`

func newTemplate(hosts []*Host, client key) (*template, error) {
	shell := "/bin/sh"
	if _, err := os.Stat("/usr/bin/bash"); err == nil {
		shell = "/usr/bin/bash"
	}
	names := "127.0.0.1 localhost\n"
	for _, h := range hosts {
		names += h.Addr + " " + h.Name + "\n"
	}
	t := &template{
		links: map[string]string{
			"dev/fd": "/proc/self/fd", "dev/stdin": "/proc/self/fd/0", "dev/stdout": "/proc/self/fd/1",
			"dev/stderr": "/proc/self/fd/2", "dev/ptmx": "pts/ptmx", "var/run": "/run", "etc/mtab": "/proc/self/mounts",
		},
		files: map[string][]byte{
			"etc/passwd": []byte("root:x:0:0:root:/root:" + shell + "\n" +
				"sshd:x:102:65534::/run/sshd:/usr/sbin/nologin\n" +
				"nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"),
			"etc/group":                      []byte("root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"),
			"etc/shadow":                     []byte("root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\n"),
			"etc/nsswitch.conf":              []byte("passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
			"etc/hosts":                      []byte(names),
			"etc/ssh/sshd_config":            []byte(sshdConfig),
			"etc/ssh/authorized_keys.d/root": []byte(client.public + "\n"),
			"etc/nix/nix.conf":               []byte(nixConfig),
		},
	}
	// Links of this machine's programs that lead through /etc, such as awk; and the linker's cache, where there is one.
	alternatives, _ := filepath.Glob("/etc/alternatives/*")
	for _, path := range alternatives {
		if target, err := os.Readlink(path); err == nil {
			t.links[path[1:]] = target
		}
	}
	if cache, err := os.ReadFile("/etc/ld.so.cache"); err == nil {
		t.files["etc/ld.so.cache"] = cache
	}
	// /bin → usr/bin and the like.
	for _, name := range []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32"} {
		target, err := os.Readlink("/" + name)
		switch {
		case err == nil && strings.HasPrefix(strings.TrimPrefix(target, "/"), "usr/"):
			t.links[name] = target
		case !os.IsNotExist(err):
			return nil, fmt.Errorf("/%s is no link into /usr: the lab needs a merged /usr, as Debian has had it since 12", name)
		}
	}
	return t, nil
}

// write writes the template to root, an empty directory.
func (t *template) write(root string) error {
	for _, d := range dirs {
		path := filepath.Join(root, d.path)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, d.mode); err != nil {
			return err
		}
	}
	for path, target := range t.links {
		if err := os.Symlink(target, filepath.Join(root, path)); err != nil {
			return err
		}
	}
	for path, content := range t.files {
		mode := os.FileMode(0o644)
		if path == "etc/shadow" {
			mode = 0o600
		}
		if err := os.WriteFile(filepath.Join(root, path), content, mode); err != nil {
			return err
		}
	}
	return nil
}

// writePrograms gives the host the commands that on this machine would ask systemd: restart, power off, state of units.
func writePrograms(root string) error {
	for path, content := range map[string]string{
		"usr/local/sbin/reboot":   "#!/bin/sh\nexec kill -HUP 1\n",
		"usr/local/sbin/poweroff": "#!/bin/sh\nexec kill -TERM 1\n",
		"usr/local/bin/systemctl": systemctlScript,
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// This machine may have the same name there, with other permissions.
		if err := os.RemoveAll(path); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// emptyStore is an initialised /nix. Nix takes 50 ms to make one, so that is done once in a process.
var emptyStore struct {
	sync.Mutex
	entries []entry
}

// An entry is a file, directory or link of a tree.
type entry struct {
	path    string // relative
	mode    os.FileMode
	content []byte // or what a link points to
}

// makeStore gives the host whose disk is root its empty store.
func (g *ground) makeStore(root string) error {
	nix := filepath.Join(root, "nix")
	emptyStore.Lock()
	defer emptyStore.Unlock()
	if emptyStore.entries != nil {
		return g.do(func() error { return writeTree(nix, emptyStore.entries) })
	}
	if err := g.inRoot(root, "nix-store", "--init"); err != nil {
		return err
	}
	return g.do(func() (err error) {
		emptyStore.entries, err = readTree(nix)
		return err
	})
}

func readTree(root string) (entries []entry, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		e := entry{path: strings.TrimPrefix(path, root), mode: info.Mode()}
		switch e.mode.Type() {
		case fs.ModeSymlink:
			var target string
			target, err = os.Readlink(path)
			e.content = []byte(target)
		case 0:
			e.content, err = os.ReadFile(path)
		}
		entries = append(entries, e)
		return err
	})
	return entries, err
}

func writeTree(root string, entries []entry) error {
	for _, e := range entries {
		path := filepath.Join(root, e.path)
		var err error
		switch e.mode.Type() {
		case fs.ModeSymlink:
			if err := os.Symlink(string(e.content), path); err != nil {
				return err
			}
			continue
		case fs.ModeDir:
			err = os.Mkdir(path, 0o700)
		default:
			err = os.WriteFile(path, e.content, 0o600)
		}
		if err == nil {
			err = os.Chmod(path, e.mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
