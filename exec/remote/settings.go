package remote

import (
	"context"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"muster/exec/foreign"
	"muster/exec/remote/sshconfig"
)

// Resolve finds what the ssh configuration says about a host.
func (d *Dialer) Resolve(ctx context.Context, q sshconfig.Query) (*sshconfig.Values, error) {
	if q.Host == "" || strings.HasPrefix(q.Host, "-") || strings.ContainsAny(q.Host, "'`\"$\\;&<>|(){} \t\r\n\f\v\x00") {
		return nil, fmt.Errorf("connect to %q: not a host's name or address", q.Host)
	}
	files, err := d.configFiles()
	if err != nil {
		return nil, err
	}
	env := d.env
	if d.config.MatchExec != nil {
		env.MatchExec = func(command string) (bool, error) { return d.config.MatchExec(ctx, command) }
	}
	env.LookupHost = func(name, family string) (string, error) { return lookupHost(ctx, name, family) }
	return sshconfig.Read(files, q, env)
}

// settings are what the ssh configuration says about one hop.
func (d *Dialer) settings(ctx context.Context, q sshconfig.Query) (hop, error) {
	values, err := d.Resolve(ctx, q)
	if err != nil {
		return hop{}, err
	}
	s, err := values.Settings()
	if err != nil {
		return hop{}, err
	}
	return hop{Settings: s, values: values}, nil
}

// warn tells the warnings about a hop, each once.
func (d *Dialer) warn(h hop) {
	for _, warning := range h.Warnings {
		if _, told := d.warned.LoadOrStore(warning, true); !told && d.config.Warn != nil {
			d.config.Warn(warning)
		}
	}
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
		system := f.Name == d.systemConfig
		f, err := readConfigFile(f.Name, f.IncludeDir)
		f.System = system
		if foreign.IsMissing(err) {
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

// localEnv is the environment of this process, for the ssh configuration.
func localEnv() sshconfig.Env {
	hostName, _ := os.Hostname()
	var others []string
	if runtime.GOOS == "darwin" {
		others = []string{"usekeychain"} // Apple's ssh keeps passphrases; muster takes keys from files and ssh-agent
	}
	return sshconfig.Env{
		Others:    others,
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
		Glob:      glob,
		ReadFile:  readSettings,
		Service:   service,
		Addresses: localAddresses,
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
