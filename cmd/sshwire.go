package cmd

import (
	"context"
	"fmt"
	"os"
	"sync"

	"muster/cmd/ui"
	"muster/exec/nixcmd"
	"muster/exec/remote"
)

// remoteConfig is how hosts are connected to by SSH. warn is told of lines of the SSH configuration that ask for what
// muster does not do.
func remoteConfig(f *sshFlags, warn func(text string)) remote.Config {
	return remote.Config{
		ConfigFile:     f.config,
		ConnectTimeout: f.connectTimeout,
		Proxy:          nixcmd.ProxyCommand,
		ProxyPasses:    nixcmd.ProxyPasses,
		MatchExec:      nixcmd.MatchExec,
		KnownHosts:     nixcmd.KnownHostsCommand,
		Master:         wireMaster,
		Passphrase:     askPassphrase(),
		Warn:           warn,
	}
}

// askPassphrase asks for the passphrases of keys with the program of $SSH_ASKPASS, each once. It is nil where ssh does not
// use that program either: without a display, unless $SSH_ASKPASS_REQUIRE says so.
func askPassphrase() func(ctx context.Context, file string) ([]byte, error) {
	program := askProgram()
	if program == "" {
		return nil
	}
	var (
		mu      sync.Mutex // one window at a time
		answers = map[string][]byte{}
	)
	return func(ctx context.Context, file string) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if answer, ok := answers[file]; ok {
			return answer, nil
		}
		answer, err := nixcmd.AskPassphrase(ctx, program, file)
		if err == nil {
			answers[file] = answer
		}
		return answer, err
	}
}

// askProgram is $SSH_ASKPASS where ssh would use it, and else "".
func askProgram() string {
	program, required := os.Getenv("SSH_ASKPASS"), os.Getenv("SSH_ASKPASS_REQUIRE")
	display := os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
	if required == "never" || !display && required != "force" && required != "prefer" {
		return ""
	}
	return program
}

// askPassword asks the user for a password on the terminal, or by $SSH_ASKPASS as ssh does.
func askPassword(ctx context.Context, question string) ([]byte, error) {
	program := askProgram()
	if program == "" || os.Getenv("SSH_ASKPASS_REQUIRE") == "" && ui.CanAsk() {
		return ui.Password(question)
	}
	return nixcmd.Askpass(ctx, program, question)
}

// warn tells of something that is not as the user may think.
func (s *session) warn(text string) { fmt.Fprintf(s.std.err, "warning: %s\n", text) }
