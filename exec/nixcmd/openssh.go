package nixcmd

import (
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"muster/exec/bounded"
)

// OpenSSH runs ssh until it ends or, with -f among the arguments, goes to the background. It returns the beginning of
// what ssh prints on standard error until then.
func OpenSSH(ctx context.Context, args []string) (stderr string, err error) {
	// Not a pipe of package exec: a ProxyCommand holds the other end as long as the connection lasts.
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	said := &bounded.Head{Limit: maxSSHStderr}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer r.Close()
		io.Copy(said, r)
	}()
	cmd := exec.CommandContext(ctx, "ssh", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Second
	cmd.Stderr = w
	err = cmd.Start()
	w.Close()
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		select { // what it has written before its end
		case <-read:
		case <-time.After(200 * time.Millisecond):
		}
	}
	return said.String(), err
}

const maxSSHStderr = 64 << 10 // bytes
