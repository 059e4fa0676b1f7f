package cmd

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"muster/exec/lab"
	"muster/exec/nixcmd"
	"muster/exec/secret"
	"muster/schema"
)

// A secretAttack is what is done to a host or to the files of an inventory whose secrets
// are deployed, and what becomes of it. The table in exec/secret/ATTACKS.md is made of
// these.
type secretAttack struct {
	name string
	// outcome is what happens, for people.
	outcome string
	attack  func(f *attackFleet)
	run     []string // muster's arguments; deploy by default
	status  int
	says    string // that muster prints
	// after is the content of the secret token on the host afterwards; "" for what it was.
	after string
	check func(f *attackFleet)
	undo  func(f *attackFleet)
}

// secretAttacks are the rows of the table.
var secretAttacks = []secretAttack{
	{
		name:    "the host presents another SSH key than the pinned one",
		outcome: "refused before anything is sent",
		attack:  func(f *attackFleet) { f.must(f.host.ChangeHostKey(f.t.Context())); f.renew() },
		status:  1, says: "host key",
	},
	{
		name:    "the host has a new SSH key, and the pin is changed to it",
		outcome: "all its secrets are encrypted to the new key and sent",
		attack: func(f *attackFleet) {
			f.must(os.WriteFile(f.lab.KnownHosts, fmt.Appendf(nil, "%s %s\n%s %s\n", f.host.Name, f.host.HostKey(), f.host.Addr, f.host.HostKey()), 0o600))
		},
		after: "now", says: "secrets: changed",
		check: func(f *attackFleet) {
			f.on("sh", "-c", "for s in /var/lib/muster/secrets/current/*.age; do age -d -i /etc/ssh/ssh_host_ed25519_key $s >/dev/null || exit 1; done")
		},
	},
	{
		name:    "the user is no recipient of a file any more",
		outcome: "refused before anything is sent; the host keeps what it has",
		attack:  func(f *attackFleet) { f.seal("token.age", "new", f.other) },
		status:  1, says: "none of your identities may decrypt it",
		undo: func(f *attackFleet) { f.renew() },
	},
	{
		name:    "two files of the inventory are exchanged",
		outcome: "age ties no name to a content: plan, status and deploy name both secrets as changed, and the hosts get them",
		attack: func(f *attackFleet) {
			a, b := f.read("token.age"), f.read("other.age")
			f.write("token.age", b)
			f.write("other.age", a)
		},
		after: "other", says: "secrets: changed other, token",
		undo: func(f *attackFleet) { f.seal("other.age", "other", f.identity); f.renew() },
	},
	{
		name:    "a file of the inventory is cut",
		outcome: "refused when the inventory is read",
		attack:  func(f *attackFleet) { f.write("token.age", f.read("token.age")[:150]) },
		status:  2, says: "cut or changed",
		undo: func(f *attackFleet) { f.renew() },
	},
	{
		name:    "a file of the inventory has another header",
		outcome: "refused when the inventory is read",
		attack:  func(f *attackFleet) { f.write("token.age", []byte("age-encryption.org/v9\n-> X25519 a\nb\n--- c\n")) },
		status:  2, says: "of another version of age",
		undo: func(f *attackFleet) { f.renew() },
	},
	{
		name:    "the content of a file of the inventory is changed",
		outcome: "refused before anything is sent: every byte is authenticated",
		attack: func(f *attackFleet) {
			text := f.binary("new")
			text[len(text)-3] ^= 1
			f.write("token.age", text)
		},
		status: 1, says: "decrypt \"./token.age\"",
		undo: func(f *attackFleet) { f.renew() },
	},
	{
		name:    "a file of the inventory is huge",
		outcome: "refused before anything is sent: a secret has at most 1 MiB",
		attack:  func(f *attackFleet) { f.write("token.age", f.binary(strings.Repeat("x", secret.MaxSize+1))) },
		status:  1, says: "larger than",
		undo: func(f *attackFleet) { f.renew() },
	},
	{
		name:    "a command prints without end",
		outcome: "ended at 1 MiB, and refused before anything is sent",
		attack:  func(f *attackFleet) { f.edit(`["cat", "./word"]`, `["yes"]`) },
		status:  1, says: "it printed more than 1048576 bytes",
		undo: func(f *attackFleet) { f.edit(`["yes"]`, `["cat", "./word"]`) },
	},
	{
		name:    "a name has odd characters",
		outcome: "refused when the inventory is read",
		attack:  func(f *attackFleet) { f.edit("token:", `"../token":`) },
		status:  2, says: "digits",
		undo: func(f *attackFleet) { f.edit(`"../token":`, "token:") },
	},
	{
		name:    "a saved plan names a secret with odd characters",
		outcome: "refused when the plan is read",
		attack: func(f *attackFleet) {
			f.muster(0, "plan", "--out", "plan.json")
			f.write("plan.json", []byte(strings.ReplaceAll(string(f.read("plan.json")), `"name": "token"`, `"name": "../../token"`)))
		},
		run: []string{"apply", "plan.json"}, status: 2, says: `the secret "../../token"`,
	},
	{
		name:    "a directory is at the destination of a link",
		outcome: "nothing there is touched; the activation fails, and the host goes back",
		attack: func(f *attackFleet) {
			f.on("sh", "-c", "rm /etc/app/token && mkdir /etc/app/token && touch /etc/app/token/x")
			f.renew()
		},
		status: 4, says: "/etc/app/token: a file is there",
		check: func(f *attackFleet) { f.on("test", "-e", "/etc/app/token/x") },
		undo:  func(f *attackFleet) { f.on("rm", "-r", "/etc/app/token") },
	},
	{
		name:    "a fifo is at the destination of a link",
		outcome: "as a directory; nobody waits for it",
		attack:  func(f *attackFleet) { f.on("sh", "-c", "rm -f /etc/app/token && mkfifo /etc/app/token"); f.renew() },
		status:  4, says: "/etc/app/token: a file is there",
		check: func(f *attackFleet) { f.on("test", "-p", "/etc/app/token") },
		undo:  func(f *attackFleet) { f.on("rm", "/etc/app/token") },
	},
	{
		name:    "a device is at the destination of a link",
		outcome: "as a directory",
		attack: func(f *attackFleet) {
			f.on("sh", "-c", "rm -f /etc/app/token && mknod /etc/app/token c 1 3")
			f.renew()
		},
		status: 4, says: "/etc/app/token: a file is there",
		check: func(f *attackFleet) { f.on("test", "-c", "/etc/app/token") },
		undo:  func(f *attackFleet) { f.on("rm", "/etc/app/token") },
	},
	{
		name:    "a link to another file is at the destination of a link",
		outcome: "the link is replaced; what it led to is not touched",
		attack: func(f *attackFleet) {
			f.on("sh", "-c", "echo untouched >/etc/victim && ln -sfn /etc/victim /etc/app/token")
			f.renew()
		},
		after: "now", says: "secrets: changed token",
		check: func(f *attackFleet) { f.on("grep", "-qx", "untouched", "/etc/victim") },
	},
	{
		name:    "a link to a directory is at the destination of a link",
		outcome: "the link is replaced; nothing is made in the directory",
		attack: func(f *attackFleet) {
			f.on("sh", "-c", "mkdir -p /etc/trap && ln -sfn /etc/trap /etc/app/token")
			f.renew()
		},
		after: "now", says: "secrets: changed token",
		check: func(f *attackFleet) { f.on("rmdir", "/etc/trap") },
	},
	{
		name:    "others may write to the directory of a destination",
		outcome: "no link is made there, since they could exchange it; the host goes back",
		attack:  func(f *attackFleet) { f.on("chmod", "0777", "/etc/app"); f.renew() },
		status:  4, says: "others may write to /etc/app",
		undo: func(f *attackFleet) { f.on("chmod", "0755", "/etc/app") },
	},
	{
		name:    "the directory of a destination belongs to another user",
		outcome: "as the row above",
		attack:  func(f *attackFleet) { f.on("chown", "nobody", "/etc/app"); f.renew() },
		status:  4, says: "/etc/app does not belong to root",
		undo: func(f *attackFleet) { f.on("chown", "root", "/etc/app") },
	},
	{
		name:    "the directory of a destination is a link",
		outcome: "as the row above",
		attack:  func(f *attackFleet) { f.on("sh", "-c", "mv /etc/app /etc/app2 && ln -s app2 /etc/app"); f.renew() },
		status:  4, says: "/etc/app is a link",
		undo: func(f *attackFleet) { f.on("sh", "-c", "rm /etc/app && mv /etc/app2 /etc/app") },
	},
	{
		name:    "root changes a secret in the host's memory",
		outcome: "status tells of it, and the next deploy or push restores it",
		attack:  func(f *attackFleet) { f.on("sh", "-c", "echo evil >/run/muster-secrets/token") },
		after:   "now", says: "secrets: restored token",
	},
	{
		name:    "a stored file is changed, and the host restarts",
		outcome: "it is not decrypted, and its unit fails; the others are there; status tells of it, and the next deploy sends it again",
		attack: func(f *attackFleet) {
			f.on("sh", "-c", "cd /var/lib/muster/secrets/current && head -c 100 token.age >x && cat x >token.age && rm x")
			f.restart()
			f.on("test", "-e", "/run/muster-secrets/other")
			f.on("test", "!", "-e", "/run/muster-secrets/token")
			f.muster(3, "status")
		},
		after: "now", says: "secrets: restored token",
	},
	{
		name:    "a stored file is exchanged for one of another host, and the host restarts",
		outcome: "as the row above: it is encrypted to another key",
		attack: func(f *attackFleet) {
			f.put("/var/lib/muster/secrets/current/token.age", f.binary("of another host"))
			f.restart()
			f.on("test", "!", "-e", "/run/muster-secrets/token")
		},
		after: "now", says: "secrets: restored token",
	},
	{
		name:    "what a host knows of its stored secrets is deleted",
		outcome: "all are sent again",
		attack:  func(f *attackFleet) { f.on("sh", "-c", "rm /var/lib/muster/secrets/current/.macs") },
		after:   "now", says: "secrets: new other, token, word",
	},
	{
		name:    "the host's own SSH key becomes a secret of the inventory, and the host has another",
		outcome: "refused before anything is sent, unless `host_keys` names the key that the host has",
		attack: func(f *attackFleet) {
			f.newHostKey()
			f.edit("secrets: {", `secrets: own: {age: "./own.age", path: "/etc/ssh/ssh_host_ed25519_key"}`+"\n\tsecrets: {")
		},
		status: 1, says: "host key changed",
		undo: func(f *attackFleet) {
			f.edit("\thost: ", fmt.Sprintf("\thost_keys: [%q]\n\thost: ", f.host.HostKey()))
			f.muster(0, "deploy")
			f.edit(fmt.Sprintf("\thost_keys: [%q]\n", f.host.HostKey()), "")
		},
	},
	{
		name:    "the file of the host's SSH key is exchanged for one with another key",
		outcome: "refused before anything is sent: the public key beside the file is what connections expect",
		attack: func(f *attackFleet) {
			pinned := f.read("own.age.pub")
			f.newHostKey()
			f.write("own.age.pub", pinned)
		},
		status: 1, says: "none of the host's host_keys",
		undo: func(f *attackFleet) { f.writeHostKey(f.former) },
	},
	{
		name:    "the file of the host's SSH key and the public key beside it are exchanged",
		outcome: "refused before anything is sent: the host does not present that key",
		attack:  func(f *attackFleet) { f.newHostKey() },
		status:  1, says: "host key changed",
		undo: func(f *attackFleet) { f.writeHostKey(f.former) },
	},
	{
		name:    "the host presents another SSH key than the one among its secrets",
		outcome: "refused before anything is sent",
		attack:  func(f *attackFleet) { f.must(f.host.ChangeHostKey(f.t.Context())); f.renew() },
		status:  1, says: "host key changed",
		undo: func(f *attackFleet) {
			f.must(f.host.WriteFile("/etc/ssh/ssh_host_ed25519_key", f.key.private, 0o600))
			f.must(f.host.StopSSH())
			f.must(f.host.StartSSH(f.t.Context()))
		},
	},
}

// An attackFleet is a host with a few secrets.
type attackFleet struct {
	t               *testing.T
	lab             *lab.Lab
	host            *lab.Host
	dir, home       string
	command         string
	identity, other *age.X25519Identity
	round           int
	token           string // content of the secret token
	// key is the SSH host key in own.age and own.age.pub, and former the one before it.
	key, former sshKey
}

func newAttackFleet(t *testing.T) *attackFleet {
	t.Helper()
	f := &attackFleet{t: t, lab: lab.New(t, "web"), dir: t.TempDir(), home: t.TempDir(), command: musterProgram(t)}
	f.host = f.lab.Hosts[0]
	for _, id := range []**age.X25519Identity{&f.identity, &f.other} {
		made, err := age.GenerateX25519Identity()
		f.must(err)
		*id = made
	}
	f.must(os.WriteFile(filepath.Join(f.home, "identity"), []byte(f.identity.String()+"\n"), 0o600))
	minios, err := filepath.Abs("../examples/minios")
	f.must(err)
	key, err := f.host.ReadFile("/etc/ssh/authorized_keys.d/root")
	f.must(err)
	text, err := os.ReadFile("testdata/secret-attacks.cue")
	f.must(err)
	f.write("hosts.cue", []byte(strings.NewReplacer("MINIOS", minios, "KEY", strings.TrimSpace(string(key)), "RECIPIENT", f.identity.Recipient().String()).Replace(string(text))))
	f.write("word", []byte("word"))
	f.seal("other.age", "other", f.identity)
	f.renew()
	return f
}

func (f *attackFleet) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *attackFleet) read(name string) []byte {
	f.t.Helper()
	text, err := os.ReadFile(filepath.Join(f.dir, name))
	f.must(err)
	return text
}

func (f *attackFleet) write(name string, text []byte) {
	f.t.Helper()
	f.must(os.WriteFile(filepath.Join(f.dir, name), text, 0o600))
}

// seal encrypts a content to a file of the inventory.
func (f *attackFleet) seal(name, content string, to *age.X25519Identity) {
	f.t.Helper()
	text, err := secret.SealFile([]byte(content), to.Recipient().String())
	f.must(err)
	f.write(name, text)
}

// binary is a content in age's binary form.
func (f *attackFleet) binary(content string) []byte {
	f.t.Helper()
	text, err := secret.Seal([]byte(content), f.identity.Recipient())
	f.must(err)
	return text
}

// renew gives the secret token a new content.
func (f *attackFleet) renew() {
	f.t.Helper()
	f.round++
	f.token = fmt.Sprintf("token-%d", f.round)
	f.seal("token.age", f.token, f.identity)
}

// An sshKey is an SSH key as ssh-keygen writes it.
type sshKey struct{ private, public []byte }

// newHostKey makes an SSH host key and writes it to own.age, and the public key to
// own.age.pub.
func (f *attackFleet) newHostKey() {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "key")
	f.must(exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file).Run())
	private, err := os.ReadFile(file)
	f.must(err)
	public, err := os.ReadFile(file + ".pub")
	f.must(err)
	f.former = f.key
	f.writeHostKey(sshKey{private, public})
}

func (f *attackFleet) writeHostKey(key sshKey) {
	f.t.Helper()
	f.key = key
	f.seal("own.age", string(key.private), f.identity)
	f.write("own.age.pub", key.public)
}

func (f *attackFleet) edit(old, new string) {
	f.t.Helper()
	f.write("hosts.cue", []byte(strings.Replace(string(f.read("hosts.cue")), old, new, 1)))
}

func (f *attackFleet) on(argv ...string) string {
	f.t.Helper()
	out, err := f.host.Run(context.Background(), argv...)
	if err != nil {
		f.t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return out
}

// put writes a file of the host in place of one.
func (f *attackFleet) put(name string, content []byte) {
	f.t.Helper()
	f.on("rm", name)
	f.must(f.host.WriteFile(name, content, 0o600))
}

// restart restarts the host, which then runs what it would start with.
func (f *attackFleet) restart() {
	f.t.Helper()
	f.must(f.host.Reboot(f.t.Context()))
	// A plain host of the lab has no activation at its start.
	f.host.Run(context.Background(), "sh", "-c", "/etc/muster/secrets install $(readlink -f /run/current-system)")
}

// muster runs muster, which ends with a status.
func (f *attackFleet) muster(status int, args ...string) string {
	f.t.Helper()
	args = append(args, "--identity", filepath.Join(f.home, "identity"))
	cmd := exec.Command(f.command, args...)
	cmd.Dir, cmd.Env = f.dir, append(os.Environ(), "HOME="+f.home, "MUSTER_SSH_CONFIG="+f.lab.SSHConfig, "NIX_CONFIG=substitute = false\nsandbox = false\nbuild-users-group =")
	text, _ := cmd.CombinedOutput()
	out := string(text)
	if got := cmd.ProcessState.ExitCode(); got != status {
		f.t.Errorf("muster %s: status %d, want %d\n%s", strings.Join(args, " "), got, status, out)
	}
	return out
}

// Attacks on hosts and on files end as the table says.
func TestSecretAttacks(t *testing.T) {
	lab.RequireLab(t)
	f := newAttackFleet(t)
	f.muster(0, "deploy")
	for _, a := range secretAttacks {
		t.Run(a.name, func(t *testing.T) {
			f.t = t
			was := f.on("cat", "/run/muster-secrets/token")
			a.attack(f)
			run := a.run
			if run == nil {
				run = []string{"deploy"}
			}
			if out := f.muster(a.status, run...); !strings.Contains(out, a.says) {
				t.Errorf("muster does not say %q:\n%s", a.says, out)
			}
			want := was
			switch a.after {
			case "":
			case "now":
				want = f.token
			default:
				want = a.after
			}
			if got := f.on("cat", "/run/muster-secrets/token"); got != want {
				t.Errorf("the secret on the host is %q, want %q", got, want)
			}
			if a.check != nil {
				a.check(f)
			}
			if a.undo != nil {
				a.undo(f)
			}
			if a.status != 0 && !strings.Contains(a.name, "than the pinned one") { // the next row goes on from there
				f.muster(0, "deploy")
			}
		})
	}
}

// A command that hangs is ended with all it has started.
func TestSecretCommandThatHangs(t *testing.T) {
	r := &secret.Reader{Dir: t.TempDir(), Run: nixcmd.Capture, Env: os.LookupEnv, Timeout: 300 * time.Millisecond}
	s := &schema.Secret{Name: "slow", Command: []string{"sh", "-c", "sleep 1000 & sleep 1000"}}
	_, err := r.Value(t.Context(), &schema.Host{Name: "web"}, s)
	if err == nil || !strings.Contains(err.Error(), "secret slow: sh: not done after 300ms") {
		t.Errorf("%v", err)
	}
}

// The table of attacks is what the test above asserts.
func TestSecretAttacksAreDocumented(t *testing.T) {
	var b strings.Builder
	b.WriteString("# What attacks on secrets come to\n\nEach line is a test (`go test ./cmd -run SecretAttacks`): a host with secrets of an inventory, and what is done to it or to\nthe files of the inventory before the next `muster deploy`. The table is made from what they assert.\n\n")
	b.WriteString("| attack | what happens | exit |\n| --- | --- | --- |\n")
	for _, a := range secretAttacks {
		fmt.Fprintf(&b, "| %s | %s | %d |\n", a.name, a.outcome, a.status)
	}
	b.WriteString("| a command hangs | ended after a minute, with all it has started; refused before anything is sent | 1 |\n")
	const name = "../exec/secret/ATTACKS.md"
	if *update {
		if err := os.WriteFile(name, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(got)); diff != "" {
		t.Errorf("%s: go test ./cmd -run Documented -update rewrites it:\n%s", name, diff)
	}
}
