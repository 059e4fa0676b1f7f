package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"muster/exec/bounded"
)

// A repository is a git repository on this machine, which the user's git works on.
type repository struct {
	f        *Fetcher
	dir      string // of the repository, or of its work tree
	worktree bool
}

// maxAnswer bounds what git prints at once, such as the list of a tree's files.
const maxAnswer = 1 << 30

// foreignVariables would have git work on another repository than the one it is told.
var foreignVariables = []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES",
	"GIT_COMMON_DIR", "GIT_NAMESPACE", "GIT_PREFIX", "GIT_CEILING_DIRECTORIES", "GIT_LITERAL_PATHSPECS", "GIT_ATTR_SOURCE"}

// command is git with arguments. It asks nothing: it has no terminal. Neither hooks nor a monitor of the repository run.
func (r repository) command(ctx context.Context, args ...string) *exec.Cmd {
	argv := []string{"-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "core.attributesFile=/dev/null", "-c", "core.quotePath=false",
		"-c", "protocol.ext.allow=never", "--no-optional-locks", "-C", r.dir}
	if !r.worktree {
		argv = append(argv, "--git-dir", r.dir)
	}
	cmd := exec.CommandContext(ctx, "git", append(argv, args...)...)
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains(foreignVariables, name) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_TERMINAL_PROMPT=0", "GIT_ATTR_NOSYSTEM=1", "LC_ALL=C", "GIT_NO_REPLACE_OBJECTS=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// A gitError is a git that has not succeeded.
type gitError struct {
	what   string
	status int
	stderr string
}

func (e *gitError) Error() string {
	text := strings.TrimSpace(e.stderr)
	if text == "" {
		return fmt.Sprintf("%s: exit status %d", e.what, e.status)
	}
	text = strings.ReplaceAll(text, "\n", "; ")
	return e.what + ": " + text[:min(len(text), 1000)] + gitAdvice(e.stderr)
}

// gitAdvice says what to do about an error of git that many meet.
func gitAdvice(stderr string) string {
	has := func(texts ...string) bool {
		return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(stderr, t) })
	}
	switch {
	case has("could not read Username", "Authentication failed", "terminal prompts disabled"):
		return " (the repository is private or does not exist: give git a credential, as with netrc or credential.helper)"
	case has("Permission denied (publickey", "Host key verification failed"):
		return " (ssh cannot log in without asking: see that `ssh HOST` works by itself, with an agent and a known host key)"
	case has("Could not resolve host", "Network is unreachable", "Could not resolve hostname"):
		return " (is there a network?)"
	}
	return ""
}

// run runs git and returns what it prints.
func (r repository) run(ctx context.Context, args ...string) (string, error) {
	return r.feed(ctx, nil, nil, args...)
}

// feed is run with standard input and more variables.
func (r repository) feed(ctx context.Context, stdin io.Reader, env []string, args ...string) (string, error) {
	cmd := r.command(ctx, args...)
	out := &bounded.Head{Limit: maxAnswer, Full: func() error {
		return fmt.Errorf("git %s printed more than %d MB", args[0], maxAnswer>>20)
	}}
	said := &bounded.Head{Limit: 64 << 10}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, out, said
	cmd.Env = append(cmd.Env, env...)
	err := cmd.Run()
	return out.String(), explainGit(ctx, args, said.String(), err)
}

func explainGit(ctx context.Context, args []string, stderr string, err error) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("git is not installed, and git repositories are fetched with it")
	case errors.As(err, &exit):
		return &gitError{"git " + args[0], exit.ExitCode(), stderr}
	}
	return fmt.Errorf("run git %s: %w", args[0], err)
}

// line is run for a command that prints one line.
func (r repository) line(ctx context.Context, args ...string) (string, error) {
	out, err := r.run(ctx, args...)
	return strings.TrimSpace(out), err
}

// has reports whether a commit is in the repository.
func (r repository) has(ctx context.Context, rev string) bool {
	_, err := r.run(ctx, "cat-file", "-e", rev+"^{commit}")
	return err == nil
}

// resolve returns the commit that a branch, tag or HEAD is at.
func (r repository) resolve(ctx context.Context, ref string) (string, error) {
	var err error
	for _, name := range []string{ref, "refs/heads/" + ref, "refs/tags/" + ref} {
		var rev string
		if rev, err = r.line(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}"); err == nil {
			return rev, nil
		}
	}
	if errors.As(err, new(*gitError)) {
		err = fmt.Errorf("there is no branch, tag or commit '%s'", ref)
	}
	return "", err
}

// head returns the branch that is checked out, as refs/heads/main; HEAD if there is none.
func (r repository) head(ctx context.Context) (string, error) {
	ref, err := r.line(ctx, "symbolic-ref", "--quiet", "HEAD")
	if errors.As(err, new(*gitError)) {
		return "HEAD", nil
	}
	return ref, err
}

// headCommit returns the commit that is checked out, and when it was committed, in seconds. There is none, "" and 0, before
// the first commit.
func (r repository) headCommit(ctx context.Context) (rev string, committed int64, err error) {
	out, err := r.line(ctx, "log", "-1", "--format=%H %ct", "--no-show-signature", "HEAD", "--")
	if errors.As(err, new(*gitError)) {
		return "", 0, nil
	}
	if err != nil {
		return "", 0, err
	}
	rev, seconds, _ := strings.Cut(out, " ")
	committed, err = strconv.ParseInt(seconds, 10, 64)
	return rev, committed, err
}

func (r repository) shallow(ctx context.Context) bool {
	out, err := r.line(ctx, "rev-parse", "--is-shallow-repository")
	return err == nil && out == "true"
}
