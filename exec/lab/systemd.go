package lab

import (
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// nspawnScript starts a systemd host: see its own words.
//
//go:embed systemd/nspawn.sh
var nspawnScript string

// nspawnReboot is the exit status of systemd-nspawn when the host restarts itself.
const nspawnReboot = 133

// inotifyFile limits how many instances of inotify root has, on this machine and on all hosts of all labs together. The kernel's
// default is 128, and systemd with its services takes a dozen a host: the next would not boot, or a unit of it would fail.
const inotifyFile = "/proc/sys/fs/inotify/max_user_instances"

// raiseInotify has systemd hosts not run into that limit. It stays raised, for other labs may be there. Where that is not allowed, few
// hosts run all the same.
func raiseInotify() {
	const enough = 8192
	text, _ := os.ReadFile(inotifyFile)
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n < enough {
		_ = os.WriteFile(inotifyFile, []byte(strconv.Itoa(enough)), 0o644)
	}
}

// scratch is the host's own part of its disk in the mounts of the ground: a file system with what differs from the tree.
func (h *Host) scratch() string { return filepath.Join(h.lab.disks(), ".scratch", h.Name) }

// netPath names the host's network namespace in the mounts of the ground.
func (h *Host) netPath() string { return filepath.Join(h.lab.disks(), ".net", h.Name) }

// control is the host's control group in the mounts of the ground.
func (h *Host) control() string { return filepath.Join(h.lab.controlGroups(), h.Name) }

// installSystemd makes the disk of a systemd host, a copy on write of the tree. The ground calls it.
func (h *Host) installSystemd(t *template) error {
	root := h.disk()
	for _, dir := range []string{root, h.scratch(), filepath.Dir(h.netPath()), h.control()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mountDisk(h.scratch(), h.size); err != nil {
		return err
	}
	if err := mountCopy(root, h.lab.tree.dir, h.scratch()); err != nil {
		return err
	}
	if err := bindNamespace(h.net, h.netPath()); err != nil {
		return err
	}
	id := make([]byte, 16)
	rand.Read(id)
	for path, content := range map[string]string{
		"etc/hostname":                   h.Name + "\n",
		"etc/hosts":                      string(t.files["etc/hosts"]),
		"etc/machine-id":                 hex.EncodeToString(id) + "\n",
		"etc/ssh/authorized_keys.d/root": string(t.files["etc/ssh/authorized_keys.d/root"]),
		"etc/lab/boot.sh":                h.lab.boot + "\n",
	} {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			return err
		}
	}
	return h.writeKey(root)
}

// startSystemd boots a systemd host and returns the process that holds all its others.
func (h *Host) startSystemd(log *os.File) (*exec.Cmd, error) {
	control, err := h.lab.ground.open(h.control())
	if err != nil {
		return nil, err
	}
	defer control.Close()
	return h.lab.ground.startMachine(h.net, control, log, nspawnScript, h.disk(), h.Name, h.netPath())
}

// guest is the first process of the host that the systemd-nspawn with this process ID runs; 0 while there is none.
func guest(nspawn int) int {
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", nspawn, nspawn))
	outside, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", nspawn))
	for _, field := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		inside, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		if err != nil || inside == outside {
			continue
		}
		// Until it has started its own program, its mounts are not complete.
		program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err == nil && filepath.Base(program) != "systemd-nspawn" {
			return pid
		}
	}
	return 0
}
