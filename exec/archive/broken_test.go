package archive

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
	"muster/exec/transfer"
)

var kills = flag.Int("kills", 6, "kill an import at `n` moments")

// TestMain is also an import, in a process of its own that a test can kill.
func TestMain(m *testing.M) {
	if archive := os.Getenv("TEST_IMPORT"); archive != "" {
		if err := importInto(os.Getenv("TEST_ROOT"), archive); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func importInto(root, name string) error {
	a, err := Open(context.Background(), name, OpenOptions{})
	if err != nil {
		return err
	}
	defer a.Close()
	to := storelab.New(process{})
	to.Root = root
	link := transfer.Link{Serve: func(context.Context) (nixserve.Stream, error) { return to.Serve(), nil }}
	dst, _, err := link.Copy(context.Background(), a, a.Manifest.roots(), transfer.Options{})
	if dst != nil {
		defer dst.Close()
	}
	return err
}

// A process stands in for a test.
type process struct{}

func (process) Helper()                   {}
func (process) Cleanup(func())            {}
func (process) TempDir() string           { return os.TempDir() }
func (process) Error(args ...any)         { process{}.Fatal(args...) }
func (process) Skip(args ...any)          { process{}.Fatal(args...) }
func (process) Fatalf(f string, a ...any) { process{}.Fatal(fmt.Sprintf(f, a...)) }
func (process) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(3)
}

// importing starts an import into a store, as a user.
func importing(t *testing.T, root, archive string, uid int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), "TEST_IMPORT="+archive, "TEST_ROOT="+root)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if uid != os.Getuid() {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}
		cmd.Dir = "/"
	}
	return cmd
}

// endsWell imports again and looks at what is there then.
func endsWell(t *testing.T, to storelab.Store, archive string, top store.Path, paths int) {
	t.Helper()
	if out, err := importing(t, to.Root, archive, os.Getuid()).CombinedOutput(); err != nil {
		t.Errorf("again: %v\n%s", err, out)
		return
	}
	to.Verify()
	if n := len(to.PathInfos(top)); n != paths {
		t.Errorf("%d paths, want %d", n, paths)
	}
}

// An import that is killed has registered whole paths only, and another ends what it began.
func TestImportIsKilled(t *testing.T) {
	_, top, name := smallArchive(t, 20)
	infos := len(unpack(t, name).infos())
	begin := time.Now()
	if out, err := importing(t, storelab.New(t).Root, name, os.Getuid()).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(begin)
	for i := range *kills {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			to := storelab.New(t)
			to.Verify() // the store is there: two first nix-stores would get in each other's way
			cmd := importing(t, to.Root, name, os.Getuid())
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(took * time.Duration(i) / time.Duration(*kills))
			cmd.Process.Kill() // its nix-store sees the end of its input
			cmd.Wait()
			to.Verify()
			endsWell(t, to, name, top, infos)
		})
	}
}

// An import that has no room says so, and another ends what it began once there is.
func TestImportOntoAFullDisk(t *testing.T) {
	_, top, name := smallArchive(t, 20)
	infos := len(unpack(t, name).infos())
	full := 0
	for _, size := range []string{"400k", "600k", "700k", "800k"} {
		t.Run(size, func(t *testing.T) {
			to := storelab.New(t)
			if err := syscall.Mount("tmpfs", to.Root, "tmpfs", 0, "size="+size); err != nil {
				t.Skip("cannot mount:", err)
			}
			defer syscall.Unmount(to.Root, syscall.MNT_DETACH)
			if out, err := importing(t, to.Root, name, os.Getuid()).CombinedOutput(); err != nil {
				full++
				t.Logf("%s", out)
			}
			if err := syscall.Mount("tmpfs", to.Root, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
			if to.Run("nix-store", "--version"); full > 0 {
				to.Verify()
			}
			endsWell(t, to, name, top, infos)
		})
	}
	if full == 0 && os.Getuid() == 0 && !t.Skipped() {
		t.Error("no disk was full")
	}
}

// A user who may not write to the store is told so and changes nothing.
func TestImportAsAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	_, top, name := smallArchive(t, 20)
	infos := len(unpack(t, name).infos())
	to := storelab.New(t)
	to.Run("nix-store", "--init")
	for dir := filepath.Dir(name); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	for dir := to.Root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(self); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o755)
	}
	out, err := importing(t, to.Root, name, 12345).CombinedOutput()
	if err == nil {
		t.Fatal("it ended well")
	}
	t.Logf("%s", out)
	to.Verify()
	endsWell(t, to, name, top, infos)
}
