package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"muster/exec/foreign"
	"muster/exec/remote/sshconfig"
)

// A Presented is the host key that a machine presents, and whether it is known.
type Presented struct {
	Addr string // that was connected to, host:port
	Name string // as known_hosts writes it
	Key  string // in the format of authorized_keys
	Fingerprint

	// Verdict is nil for a key that is known. Otherwise it is a *HostKeyError: ErrHostKeyUnknown, ErrHostKeyChanged,
	// ErrHostKeyRevoked or ErrHostKeyWeak.
	Verdict error
}

// errLooked ends a handshake once the host key has been seen.
var errLooked = errors.New("the host key has been seen")

// HostKey connects to a machine as Dial does, through its jump hosts and proxies, and returns the host key that it
// presents. It ends the connection before it logs in. Nothing is added to known_hosts, whatever StrictHostKeyChecking
// says. Of a machine that has several keys, it is a known one or else the preferred one; with types, such as
// "ssh-rsa", one of these.
func (d *Dialer) HostKey(ctx context.Context, t Target, types ...string) (*Presented, error) {
	if t.Address == "" {
		t.Address = t.Name
	}
	route, err := d.route(ctx, d.Query(t), t.Jump, 0)
	if err != nil {
		return nil, err
	}
	last := &route[len(route)-1]
	last.pinned = t.HostKeys
	keys, err := d.expectedKeys(ctx, *last)
	if err != nil {
		return nil, err
	}
	keys.strict = "yes"
	look := d.look
	if t.Client == OpenSSH {
		look = func(ctx context.Context, route []hop, keys *hostKeys, types []string) (ssh.PublicKey, error) {
			return d.lookByOpenSSH(ctx, t, last.Settings, keys, types)
		}
	}
	shown, err := look(ctx, route, keys, types)
	if err != nil {
		return nil, err
	}
	p := &Presented{Addr: last.addr(), Name: keys.name, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(plainKey(shown)))), Fingerprint: fingerprint(plainKey(shown))}
	if p.Verdict = keys.check(shown); p.Verdict != nil && !errors.As(p.Verdict, new(*HostKeyError)) {
		return nil, p.Verdict
	}
	return p, nil
}

// look connects to the last hop of a route until it has presented its key.
func (d *Dialer) look(ctx context.Context, route []hop, keys *hostKeys, types []string) (ssh.PublicKey, error) {
	last := route[len(route)-1]
	dial, release, err := d.way(ctx, route)
	if err != nil {
		return nil, err
	}
	defer release()
	c := &connector{addr: last.addr(), user: last.User, keys: keys, dial: dial, offer: new(offer)}
	limited, cancel := context.WithTimeout(ctx, d.connectTimeout(last.Settings))
	defer cancel()
	if err := d.prepare(c, last.Settings); err != nil {
		return nil, err
	}
	if len(types) > 0 {
		wanted := algorithmsOf(types)
		c.algorithms = slices.DeleteFunc(c.algorithms, func(a string) bool { return !slices.Contains(wanted, a) })
	}
	var shown ssh.PublicKey
	c.check = func(key ssh.PublicKey) error {
		shown = key
		return errLooked
	}
	_, _, err = c.connect(ctx, limited)
	if shown != nil {
		return shown, nil
	}
	return nil, throughJump(route, err)
}

// algorithmsOf are the algorithms by which keys of some types sign.
func algorithmsOf(types []string) (algorithms []string) {
	for _, t := range types {
		if t == ssh.KeyAlgoRSA {
			algorithms = append(algorithms, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			algorithms = append(algorithms, t)
		}
	}
	return algorithms
}

// lookByOpenSSH has ssh connect, and add the key to a file of its own.
func (d *Dialer) lookByOpenSSH(ctx context.Context, t Target, s *sshconfig.Settings, keys *hostKeys, types []string) (ssh.PublicKey, error) {
	if d.config.Master == nil {
		return nil, fmt.Errorf("connect to %s: ssh is not available here", t.Address)
	}
	dir, err := os.MkdirTemp("", "muster-trust-")
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %v", t.Address, err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "known_hosts")
	args := []string{"-T", "-oBatchMode=yes", "-oPreferredAuthentications=none", "-oStrictHostKeyChecking=accept-new", "-oUserKnownHostsFile=" + quoteOption(file),
		"-oGlobalKnownHostsFile=none", "-oHashKnownHosts=no", "-oUpdateHostKeys=no", "-oIgnoreUnknown=KnownHostsCommand", "-oKnownHostsCommand=none",
		"-oVerifyHostKeyDNS=no", "-oCheckHostIP=no", "-oControlMaster=no", "-oControlPath=none", "-oClearAllForwardings=yes", "-oForwardAgent=no",
		"-oPermitLocalCommand=no", "-oRemoteCommand=none", "-oLogLevel=ERROR"}
	if algorithms := append(algorithmsOf(types), keys.keyAlgorithms()...); len(algorithms) > 0 {
		args = append(args, "-oHostKeyAlgorithms=^"+strings.Join(algorithms, ","))
	}
	err = d.runMaster(ctx, t, d.connectTimeout(s), append(append(args, d.sshArgs(t, s, "")...), "true"), false)
	text, readErr := foreign.ReadFile(file, foreign.Settings(maxKnownHosts))
	if readErr == nil {
		for line := range bytes.Lines(text) {
			if _, _, key, _, _, e := ssh.ParseKnownHosts(line); e == nil {
				return key, nil
			}
		}
	}
	if err == nil {
		err = fmt.Errorf("connect to %s: ssh has added no host key", t.Address)
	}
	return nil, err
}

// AddKnownHost adds a host key of a machine to the user's known_hosts, under the name that ssh looks for. With replace,
// the keys that the file has of the machine are removed; without, a machine that has another key there is an
// ErrHostKeyChanged. It returns the name of the file.
func (d *Dialer) AddKnownHost(ctx context.Context, t Target, key string, replace bool) (file string, err error) {
	hop, err := d.settings(ctx, d.Query(t))
	if err != nil {
		return "", err
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(key))
	if err != nil {
		return "", fmt.Errorf("add to known hosts: %q is no public key", key)
	}
	if replace {
		for _, file := range hop.UserKnownHosts {
			if err := d.removeKnown(file, hop.Settings); err != nil {
				return "", fmt.Errorf("remove the former key from %s: %w", file, err)
			}
		}
	}
	h, err := d.knownHostKeys(nil, hop.Settings)
	if err != nil {
		return "", err
	}
	if h.addTo == "" || h.addTo == os.DevNull {
		return "", fmt.Errorf("add the host key of %s to known hosts: UserKnownHostsFile names no file", h.name)
	}
	return h.addTo, h.accept(public)
}

// removeKnown removes the keys of a machine from a known_hosts file. A line that names others too stays for them.
func (d *Dialer) removeKnown(file string, s *sshconfig.Settings) error {
	d.knownHosts.Lock()
	defer d.knownHosts.Unlock()
	return editKnown(file, func(data []byte) ([]byte, error) { return withoutHost(data, file, knownName(s)) })
}

// editKnown gives a known_hosts file another text, if it is there: whole or not at all, and with its mode. A link stays.
func editKnown(file string, edit func([]byte) ([]byte, error)) error {
	target, err := filepath.EvalSymlinks(file)
	if errors.Is(err, os.ErrNotExist) || file == os.DevNull {
		return nil
	}
	if err != nil {
		return err
	}
	data, err := foreign.ReadFile(target, foreign.Settings(maxKnownHosts))
	if err != nil {
		return err
	}
	text, err := edit(data)
	if err != nil || bytes.Equal(text, data) {
		return err
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	dir, err := os.OpenRoot(filepath.Dir(target))
	if err != nil {
		return err
	}
	defer dir.Close()
	return foreign.Replace(dir, filepath.Base(target), func(f *os.File) error {
		if err := f.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
		if _, err := f.Write(text); err != nil {
			return err
		}
		return f.Sync()
	})
}

// withoutHost is a known_hosts file without the keys of a host. Authorities and revoked keys stay.
func withoutHost(data []byte, file, name string) ([]byte, error) {
	known := parseKnown(file, data)
	drop := map[int]string{} // the names that stay, by line
	for _, line := range known.lines(name) {
		if bytes.HasPrefix(bytes.TrimSpace(line.text), []byte("@")) {
			continue
		}
		stay := slices.DeleteFunc(strings.Split(line.names, ","), func(n string) bool { return strings.EqualFold(n, name) || strings.HasPrefix(n, "|1|") })
		drop[line.number] = strings.Join(stay, ",")
		if rest := drop[line.number]; rest != "" && matchKnown(name, rest) {
			return nil, fmt.Errorf("line %d is for %s, which is more than %s: change it by hand", line.number, rest, name)
		}
	}
	var out bytes.Buffer
	n := 0
	for line := range bytes.Lines(data) {
		n++
		switch stay, ok := drop[n]; {
		case !ok:
			out.Write(line)
		case stay != "":
			out.Write(bytes.Replace(line, []byte(knownNames(line)), []byte(stay), 1))
		}
	}
	return out.Bytes(), nil
}
