package secret

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"

	"muster/exec/foreign"
	"muster/schema"
)

// MaxSize is how large a secret may be, in bytes.
const MaxSize = 1 << 20

// A Run runs a command in a directory, with more in its environment, and returns what
// it prints, which is at most limit bytes. Its errors do not hold what it printed.
type Run func(ctx context.Context, dir string, argv, env []string, limit int) ([]byte, error)

// A Reader reads the contents of secrets, each source once.
type Reader struct {
	Dir string // the inventory's directory
	// Identities are asked for when the first file of age is read.
	Identities func() ([]age.Identity, error)
	Run        Run // runs commands and sops
	Env        func(name string) (value string, ok bool)
	Timeout    time.Duration // for one command; 1 minute

	once       sync.Once
	identities []age.Identity
	idErr      error

	mu     sync.Mutex
	values map[string]*value
}

type value struct {
	once    sync.Once
	content []byte
	err     error
}

// Value returns the content of a host's secret. An error names the secret and its
// place in the inventory.
func (r *Reader) Value(ctx context.Context, h *schema.Host, s *schema.Secret) ([]byte, error) {
	content, err := r.value(ctx, h, s)
	if err != nil {
		return nil, fmt.Errorf("%s: secret %s: %w", s.At, s.Name, err)
	}
	return content, nil
}

func (r *Reader) value(ctx context.Context, h *schema.Host, s *schema.Secret) ([]byte, error) {
	if s.Template == "" {
		return r.source(ctx, h, s)
	}
	var failed error
	text := s.Fill(func(name string) string {
		part := h.Secret(name)
		if part == nil {
			failed = fmt.Errorf("{{%s}}: the host has no secret of this name", name)
			return ""
		}
		content, err := r.source(ctx, h, part)
		if err != nil {
			failed = fmt.Errorf("{{%s}}: %w", name, err)
		}
		return strings.TrimRight(string(content), "\n") // as $(…) does
	})
	if failed != nil {
		return nil, failed
	}
	return []byte(text), nil
}

// source returns the content of a secret that is no template. Commands are told the
// host, so that each host has a result of its own.
func (r *Reader) source(ctx context.Context, h *schema.Host, s *schema.Secret) ([]byte, error) {
	switch {
	case s.Age != "":
		content, err := r.shared("age\x00"+s.Age, func() ([]byte, error) { return r.Age(s.Age) })
		if errors.Is(err, fs.ErrNotExist) && s.Generate.Kind != "" {
			err = fmt.Errorf("%w; muster secrets generate makes it", err)
		}
		return content, err
	case s.Sops.File != "":
		return r.sops(ctx, s.Sops)
	case len(s.Command) > 0:
		env := []string{"MUSTER_HOST=" + h.Name, "MUSTER_SECRET=" + s.Name}
		key := strings.Join(append([]string{"command", h.Name, s.Name}, s.Command...), "\x00")
		return r.shared(key, func() ([]byte, error) { return r.command(ctx, s.Command, env) })
	case s.File != "":
		return foreign.ReadFile(r.Path(s.File), foreign.Limits{Size: MaxSize, Links: true})
	case s.Env != "":
		content, ok := r.Env(s.Env)
		if !ok {
			return nil, fmt.Errorf("the environment variable %s is not set", s.Env)
		}
		return []byte(content), nil
	}
	return nil, errors.New("it has no source")
}

// shared makes each value once, also where several hosts ask for it side by side.
func (r *Reader) shared(key string, read func() ([]byte, error)) ([]byte, error) {
	r.mu.Lock()
	if r.values == nil {
		r.values = map[string]*value{}
	}
	v := r.values[key]
	if v == nil {
		v = &value{}
		r.values[key] = v
	}
	r.mu.Unlock()
	v.once.Do(func() { v.content, v.err = read() })
	return v.content, v.err
}

// Path is where a file of the inventory is.
func (r *Reader) Path(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return filepath.Join(r.Dir, file)
}

// Age decrypts a file of age. The identities are read once, with the first file.
func (r *Reader) Age(file string) ([]byte, error) {
	r.once.Do(func() { r.identities, r.idErr = r.Identities() })
	if r.idErr != nil {
		return nil, r.idErr
	}
	text, err := foreign.ReadFile(r.Path(file), foreign.Limits{Size: 2 * MaxSize, Links: true})
	if err != nil {
		return nil, err
	}
	content, err := Open(text, r.identities)
	if err != nil {
		return nil, fmt.Errorf("decrypt %q: %w", file, err)
	}
	return content, nil
}

// ErrNoIdentity says that none of the identities decrypts a file.
var ErrNoIdentity = errors.New("none of your identities may decrypt it: see --identity")

// Open decrypts what is encrypted with age, also in its ASCII armour.
func Open(text []byte, identities []age.Identity) ([]byte, error) {
	var in io.Reader = bytes.NewReader(text)
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte(armor.Header)) {
		in = armor.NewReader(in)
	}
	out, err := age.Decrypt(in, identities...)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrNoIdentity
	}
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(out, MaxSize+1))
	if err == nil && len(content) > MaxSize {
		err = fmt.Errorf("it is larger than %d bytes", MaxSize)
	}
	return content, err
}

// sops decrypts a file with the user's sops, once for all its values.
func (r *Reader) sops(ctx context.Context, s schema.Sops) ([]byte, error) {
	if s.Key == "" {
		return r.shared("sops\x00"+s.File, func() ([]byte, error) {
			return r.command(ctx, []string{"sops", "--decrypt", r.Path(s.File)}, nil)
		})
	}
	text, err := r.shared("sops-json\x00"+s.File, func() ([]byte, error) {
		return r.command(ctx, []string{"sops", "--decrypt", "--output-type", "json", r.Path(s.File)}, nil)
	})
	if err != nil {
		return nil, err
	}
	content, err := pick(text, s.Key)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", s.File, err)
	}
	return content, nil
}

// pick returns the value of a key such as database.password or list.0 in JSON: a
// string as it is, any other as JSON.
func pick(text []byte, key string) ([]byte, error) {
	var at any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&at); err != nil {
		return nil, errors.New("what sops printed is no JSON")
	}
	for _, word := range strings.Split(key, ".") {
		switch v := at.(type) {
		case map[string]any:
			next, ok := v[word]
			if !ok {
				return nil, fmt.Errorf("no key %s", key)
			}
			at = next
		case []any:
			i, err := strconv.Atoi(word)
			if err != nil || i < 0 || i >= len(v) {
				return nil, fmt.Errorf("no key %s", key)
			}
			at = v[i]
		default:
			return nil, fmt.Errorf("no key %s", key)
		}
	}
	if s, ok := at.(string); ok {
		return []byte(s), nil
	}
	return json.Marshal(at)
}

// command runs a command in the inventory's directory.
func (r *Reader) command(ctx context.Context, argv, env []string) ([]byte, error) {
	limit := r.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %v", limit))
	defer cancel()
	content, err := r.Run(ctx, r.Dir, argv, env, MaxSize)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	return content, nil
}
