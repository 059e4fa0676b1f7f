package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"muster/exec/foreign"
	"muster/exec/remote/sshconfig"
)

// settings finds what the ssh configuration says about a host: from the files or, where they hold something that only
// ssh understands, from ssh itself if Config.Resolve can run it. options, by their names in lower case, go before
// that, as with ssh -o.
func (d *Dialer) settings(ctx context.Context, q sshconfig.Query, options map[string]string) (*sshconfig.Settings, error) {
	if q.Host == "" || strings.HasPrefix(q.Host, "-") || strings.ContainsAny(q.Host, " \t\r\n\x00") {
		return nil, fmt.Errorf("connect to %q: not a host's name or address", q.Host)
	}
	values, err := d.readConfig(q)
	if err != nil && d.config.Resolve != nil {
		values, err = d.askSSH(ctx, q)
	}
	if err != nil {
		return nil, err
	}
	if len(options) > 0 {
		configured := values
		values = sshconfig.Values{}
		maps.Copy(values, configured)
		for name, value := range options {
			values[name] = []string{value}
		}
	}
	return values.Settings(q, d.env)
}

func (d *Dialer) readConfig(q sshconfig.Query) (sshconfig.Values, error) {
	files, err := d.configFiles()
	if err != nil {
		return nil, err
	}
	return sshconfig.Read(files, q, d.env)
}

// configFiles reads the files that ssh would, in its order.
func (d *Dialer) configFiles() ([]sshconfig.File, error) {
	userDir := filepath.Join(d.env.Home, ".ssh")
	switch d.config.ConfigFile {
	case "none":
		return nil, nil
	case "":
	default:
		f, err := readConfigFile(d.config.ConfigFile, userDir)
		return []sshconfig.File{f}, err
	}
	var files []sshconfig.File
	for _, f := range []sshconfig.File{
		{Name: filepath.Join(userDir, "config"), IncludeDir: userDir},
		{Name: d.systemConfig, IncludeDir: "/etc/ssh"},
	} {
		f, err := readConfigFile(f.Name, f.IncludeDir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

// The limits of the files that ssh's settings come from, in bytes. A fleet of 50,000 hosts has some 10 MB of either.
const (
	maxConfig     = 16 << 20
	maxKnownHosts = 64 << 20
	maxKey        = 1 << 20
)

// readSettings reads a file of ssh_config(5). What is in it runs commands, so that it must be this user's or root's, and
// not one that others may write to.
func readSettings(name string) ([]byte, error) {
	return foreign.ReadFile(name, foreign.Settings(maxConfig))
}

func readConfigFile(name, includeDir string) (sshconfig.File, error) {
	text, err := readSettings(name)
	if err != nil {
		return sshconfig.File{}, fmt.Errorf("read ssh configuration: %w", err)
	}
	return sshconfig.File{Name: name, Text: string(text), IncludeDir: includeDir}, nil
}

// askSSH runs ssh -G.
func (d *Dialer) askSSH(ctx context.Context, q sshconfig.Query) (sshconfig.Values, error) {
	args := []string{"-G"}
	if d.config.ConfigFile != "" {
		args = append(args, "-F", d.config.ConfigFile)
	}
	if q.User != "" {
		args = append(args, "-l", q.User)
	}
	if q.Port != 0 {
		args = append(args, "-p", strconv.Itoa(q.Port))
	}
	answer, err := d.config.Resolve(ctx, append(args, "--", q.Host))
	if err != nil {
		return nil, fmt.Errorf("ask ssh about %s: %w", q.Host, err)
	}
	return sshconfig.ParseAnswer(answer), nil
}

// localEnv is the environment of this process, for the ssh configuration.
func localEnv() sshconfig.Env {
	hostName, _ := os.Hostname()
	return sshconfig.Env{
		Home:      homeDir(),
		User:      localUser(),
		UserID:    os.Getuid(),
		HostName:  hostName,
		LookupEnv: os.LookupEnv,
		HomeOf: func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.HomeDir, nil
		},
		Glob:     filepath.Glob,
		ReadFile: readSettings,
	}
}

func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}

// homeDir is the user's home directory as ssh finds it: from the password database, whatever $HOME says.
func homeDir() string {
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil && u.HomeDir != "" {
		return u.HomeDir
	}
	home, _ := os.UserHomeDir()
	return home
}
