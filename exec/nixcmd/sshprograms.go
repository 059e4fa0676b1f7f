package nixcmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"muster/exec/bounded"
	"muster/exec/human"
)

// This file runs the programs that an SSH configuration names: ssh_config(5).

// The limits of a program of an SSH configuration that prints something or decides something.
const (
	maxSSHTime   = 30 * time.Second
	maxSSHOutput = 1 << 20 // bytes
)

func userShell() string {
	if shell := os.Getenv("SHELL"); shell != "" {
		return shell
	}
	return "/bin/sh"
}

// MatchExec runs the command of a "Match exec" in the user's shell, and reports whether it succeeds.
func MatchExec(ctx context.Context, command string) (bool, error) {
	_, err := sshProgram(ctx, userShell(), "-c", command)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.Exited() {
		return false, nil
	}
	return err == nil, err
}

// KnownHostsCommand runs a KnownHostsCommand, and returns what it prints.
func KnownHostsCommand(ctx context.Context, argv []string) ([]byte, error) {
	if len(argv) == 0 || !strings.HasPrefix(argv[0], "/") {
		return nil, fmt.Errorf("%q is not the absolute path of a program", strings.Join(argv, " "))
	}
	return sshProgram(ctx, argv[0], argv[1:]...)
}

// AskPassphrase asks for the passphrase of a key with the program that $SSH_ASKPASS names, in a window of its own.
func AskPassphrase(ctx context.Context, program, file string) ([]byte, error) {
	return Askpass(ctx, program, fmt.Sprintf("Enter passphrase for key '%s': ", file))
}

// Askpass asks the user by the program that $SSH_ASKPASS names.
func Askpass(ctx context.Context, program, question string) ([]byte, error) {
	output, err := sshProgram(ctx, program, question)
	if err != nil {
		return nil, fmt.Errorf("run $SSH_ASKPASS: %w", err)
	}
	return []byte(strings.TrimRight(string(output), "\r\n")), nil
}

// sshProgram runs a program within the limits, and returns what it prints.
func sshProgram(ctx context.Context, name string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxSSHTime, fmt.Errorf("no answer within %v", maxSSHTime))
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.WaitDelay = time.Second
	stdout, stderr := &bounded.Head{Limit: maxSSHOutput, Full: tooMuch}, &tail{limit: 4096}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	err := cmd.Run()
	switch {
	case stdout.Exceeded():
		return nil, fmt.Errorf("run %s: it prints more than %d bytes", name, maxSSHOutput)
	case ctx.Err() != nil:
		return nil, fmt.Errorf("run %s: %w", name, context.Cause(ctx))
	case err != nil:
		return nil, fmt.Errorf("run %s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// ProxyPasses runs a ProxyCommand that connects to a host, passes the connection on over its standard output, and ends:
// ProxyUseFdpass, as systemd's ssh proxy does it.
func ProxyPasses(ctx context.Context, command string) (net.Conn, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("run ProxyCommand: %v", err)
	}
	defer ours.Close()
	cmd := exec.CommandContext(ctx, userShell(), "-c", "exec "+command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, human.NewPlainWriter(os.Stderr)
	cmd.WaitDelay = time.Second
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		return nil, fmt.Errorf("run ProxyCommand: %v", err)
	}
	conn, err := receiveConn(ctx, ours)
	if failed := cmd.Wait(); err != nil && failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("run ProxyCommand, which ProxyUseFdpass wants to pass a connection on: %v", err)
	}
	return conn, nil
}

// socketPair makes two sockets that are connected to each other, and that no program inherits unasked.
func socketPair() (a, b *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	syscall.CloseOnExec(pair[0])
	syscall.CloseOnExec(pair[1])
	return os.NewFile(uintptr(pair[0]), "socket"), os.NewFile(uintptr(pair[1]), "socket"), nil
}

// receiveConn receives a connection over a socket.
func receiveConn(ctx context.Context, socket *os.File) (net.Conn, error) {
	c, err := net.FileConn(socket)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	control := make([]byte, syscall.CmsgSpace(4))
	_, n, _, _, err := c.(*net.UnixConn).ReadMsgUnix(make([]byte, 1), control)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	messages, err := syscall.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return nil, errors.New("it passed no connection on")
	}
	descriptors, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(descriptors) != 1 {
		return nil, errors.New("it passed no connection on")
	}
	passed := os.NewFile(uintptr(descriptors[0]), "connection")
	defer passed.Close()
	return net.FileConn(passed)
}
