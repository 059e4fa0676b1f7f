package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// The ground is the operating system thread every host of a lab stands on.
//
// It has a mount namespace of its own, which holds the hosts' disks, and a network namespace of its own, which holds the
// switch between them. Every process of a lab is started from it and is killed by the kernel when it ends. So nothing of a
// lab outlives the process that started it, however that process ends: with its threads gone, the kernel takes down the
// processes, the mounts and the links.
type ground struct {
	tid   int
	calls chan func()
	quit  chan struct{} // closed to end the thread
	ended chan struct{}
	net   *os.File // the network namespace of the switch
}

// newGround starts the thread and mounts an empty tmpfs at dir, visible to that thread and its children only.
func newGround(dir string) (*ground, error) {
	g := &ground{calls: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{})}
	ready := make(chan error)
	go g.run(dir, ready)
	return g, <-ready
}

func (g *ground) run(dir string, ready chan<- error) {
	// Never unlocked: the runtime ends the thread together with this goroutine.
	runtime.LockOSThread()
	if unix.Gettid() == os.Getpid() {
		// The runtime parks the process's first thread instead of ending it. While this goroutine holds that thread, another
		// one is sure to get a different thread.
		go g.run(dir, ready)
		<-g.ended
		runtime.UnlockOSThread()
		return
	}
	defer close(g.ended)
	g.tid = unix.Gettid()
	err := g.enterNamespaces(dir)
	ready <- err
	if err != nil {
		return
	}
	defer g.net.Close()
	for {
		select {
		case call := <-g.calls:
			call()
		case <-g.quit:
			return
		}
	}
}

// enterNamespaces gives the thread namespaces of its own and mounts an empty tmpfs at dir.
func (g *ground) enterNamespaces(dir string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("make namespaces for the lab: %w", err)
	}
	unix.Umask(0o022) // of this thread alone, since CLONE_FS
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("lab", dir, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mount a tmpfs at %s: %w", dir, err)
	}
	var err error
	g.net, err = os.Open("/proc/thread-self/ns/net")
	return err
}

// do runs f on the ground's thread and returns its error.
func (g *ground) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case g.calls <- func() { result <- f() }:
		return <-result
	case <-g.ended:
		return errClosed
	}
}

// close ends the thread, and with it every process started from it.
func (g *ground) close() {
	close(g.quit)
	<-g.ended
}

// root is the path by which other processes see the ground's file system.
func (g *ground) root() string {
	return fmt.Sprintf("/proc/%d/task/%d/root", os.Getpid(), g.tid)
}

// newNet makes an empty network namespace. It lives as long as the file is open or a process is in it.
func (g *ground) newNet() (ns *os.File, err error) {
	err = g.do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("make a network namespace: %w", err)
		}
		ns, err = os.Open("/proc/thread-self/ns/net")
		if back := unix.Setns(int(g.net.Fd()), unix.CLONE_NEWNET); back != nil {
			return fmt.Errorf("return to the switch: %w", back)
		}
		return err
	})
	return ns, err
}

// start starts cmd in the network namespace ns and the ground's mounts.
func (g *ground) start(ns *os.File, cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// A terminal's Ctrl-C is for the program that runs the lab, not for the hosts.
	cmd.SysProcAttr.Setsid = true
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return g.do(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter the network namespace: %w", err)
		}
		err := cmd.Start()
		if back := unix.Setns(int(g.net.Fd()), unix.CLONE_NEWNET); back != nil {
			return fmt.Errorf("return to the switch: %w", back)
		}
		return err
	})
}

// runCommand runs cmd from the ground and waits for its end.
func (g *ground) runCommand(cmd *exec.Cmd) error {
	if err := g.start(g.net, cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// batch runs one command of iproute2 (ip, tc) on many lines in the network namespace ns.
func (g *ground) batch(ctx context.Context, ns *os.File, tool string, lines ...string) error {
	cmd := exec.CommandContext(ctx, tool, "-batch", "-")
	cmd.Env = cleanEnv()
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	return output(tool, cmd, func() error { return g.start(ns, cmd) })
}

// startInit starts the first process of a host: /bin/sh running script in namespaces of its own, with root as its root.
func (g *ground) startInit(root string, ns *os.File, log io.Writer, script string, args ...string) (*exec.Cmd, error) {
	argv := clean(append([]string{"/bin/sh", "-c", script, "init"}, args...)...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = hostEnv
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:     root,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	return cmd, g.start(ns, cmd)
}

// startMachine starts script, which starts a systemd host, as the first process of a process namespace and in the control group.
func (g *ground) startMachine(ns, control *os.File, log io.Writer, script string, args ...string) (*exec.Cmd, error) {
	argv := clean(append([]string{"unshare", "--cgroup", "/bin/sh", "-c", script, "nspawn"}, args...)...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = cleanEnv()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		UseCgroupFD: true,
		CgroupFD:    int(control.Fd()),
	}
	return cmd, g.start(ns, cmd)
}

// mountControlGroups makes a directory for control groups of the lab.
func (g *ground) mountControlGroups(dir, name string) error {
	return g.do(func() error {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := mount("cgroup2", dir, "cgroup2", 0, ""); err != nil {
			return err
		}
		return os.Mkdir(filepath.Join(dir, name), 0o755)
	})
}

// removeControlGroups removes the control groups below dir, which are empty as soon as their processes have ended.
func (g *ground) removeControlGroups(dir string) error {
	return g.do(func() error {
		var err error
		for range 200 {
			if err = removeEmpty(dir); err == nil {
				return nil
			}
			time.Sleep(10 * time.Millisecond)
		}
		return err
	})
}

func removeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return nil
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeEmpty(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return unix.Rmdir(dir)
}

// open opens a file in the ground's mounts.
func (g *ground) open(path string) (f *os.File, err error) {
	err = g.do(func() (err error) {
		f, err = os.Open(path)
		return err
	})
	return f, err
}

// inRoot runs a command with root as its root and no other isolation.
func (g *ground) inRoot(root string, argv ...string) error {
	line := clean(argv...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Dir = "/"
	cmd.Env = hostEnv
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	return output(strings.Join(argv, " "), cmd, func() error { return g.start(g.net, cmd) })
}

// mountDisk gives root a disk of its own, size bytes large (0: half of the machine's memory).
func mountDisk(root string, size int64) error {
	return mount("disk", root, "tmpfs", 0, "mode=0755,"+diskSize(size))
}

// resizeDisk changes the size of a mounted disk.
func resizeDisk(root string, size int64) error {
	return mount("", root, "", unix.MS_REMOUNT, diskSize(size))
}

func diskSize(size int64) string {
	if size == 0 {
		return "size=50%"
	}
	return fmt.Sprintf("size=%d", size)
}

// mountCopy mounts at root what is in tree, copied on write into scratch.
func mountCopy(root, tree, scratch string) error {
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	for _, dir := range []string{upper, work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	return mount("disk", root, "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", tree, upper, work))
}

// bindNamespace gives an open namespace a path, which lasts as long as the ground.
func bindNamespace(ns *os.File, path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := unix.Mount(nsPath(ns), path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind network namespace to %s: %w", path, err)
	}
	return nil
}

// freshRun gives the host an empty /run, as every boot does.
func freshRun(root string) error {
	dir := filepath.Join(root, "run")
	unix.Unmount(dir, unix.MNT_DETACH) // not mounted at first boot
	return mount("run", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
}

// mountSystem mounts what a host shares with the machine: programs, copied on write, and devices.
func mountSystem(root, scratch string) error {
	upper, work := filepath.Join(scratch, "upper"), filepath.Join(scratch, "work")
	for _, dir := range []string{upper, work, filepath.Join(root, "usr"), filepath.Join(root, "dev/pts"), filepath.Join(root, "dev/shm")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if err := mount("usr", filepath.Join(root, "usr"), "overlay", 0,
		fmt.Sprintf("lowerdir=/usr,upperdir=%s,workdir=%s", upper, work)); err != nil {
		return err
	}
	if err := mount("devpts", filepath.Join(root, "dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666,mode=0620"); err != nil {
		return err
	}
	for _, node := range []struct {
		name         string
		major, minor uint32
	}{{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}} {
		path := filepath.Join(root, "dev", node.name)
		if err := unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(node.major, node.minor))); err != nil {
			return fmt.Errorf("make device %s: %w", path, err)
		}
		if err := os.Chmod(path, 0o666); err != nil { // Mknod's mode is subject to umask
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, options string) error {
	if err := unix.Mount(source, target, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s at %s: %w", kind, target, err)
	}
	return nil
}

// openIn opens path as a process whose root is root would, so that absolute links stay inside.
func openIn(root, path string, flags int, mode os.FileMode) (*os.File, error) {
	dir, err := os.Open(root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	how := &unix.OpenHow{Flags: uint64(flags) | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	if flags&os.O_CREATE != 0 {
		how.Mode = uint64(mode.Perm())
	}
	fd, err := unix.Openat2(int(dir.Fd()), path, how)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// diskUse returns the bytes in use and the bytes free on root's file system.
func diskUse(root string) (used, free int64, err error) {
	var st unix.Statfs_t
	if err := unix.Statfs(root, &st); err != nil {
		return 0, 0, fmt.Errorf("statfs %s: %w", root, err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize, int64(st.Bfree) * st.Bsize, nil
}

// tryLock locks an open file, shared or exclusively, without waiting.
func tryLock(f *os.File, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	return unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
}

// lockDir takes an exclusive lock that ends with this process. It does not wait.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f, true); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
