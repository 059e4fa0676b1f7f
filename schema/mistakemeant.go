package schema

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"muster/exec/ondemand"
)

// A meantText says what to write in a field instead of a text that other tools, or people, write there.
type meantText struct {
	field *regexp.Regexp // matches the path of the field
	text  *regexp.Regexp
	mend  string // with $1 for what text matches
}

// meantTexts are what people mean by texts that the schema refuses.
var meantTexts = sync.OnceValue(func() []meantText {
	of := func(field, text, mend string) meantText {
		return meantText{field: regexp.MustCompile(`^(?:` + field + `)$`), text: regexp.MustCompile(`^(?:` + text + `)$`), mend: mend}
	}
	const branch = `(?:(?:nixos|nixpkgs)-)?(?:\d\d\.\d\d|unstable)(?:-small|-darwin)?`
	pinned := `a branch is an input, which muster update pins: inputs has nixpkgs with github "NixOS/nixpkgs" and ref "$1", and nixpkgs has input "nixpkgs"`
	return []meantText{
		of(`hosts\.[^.]+\.host`, `([0-9a-fA-F.:]+)/\d+`, `write "$1", without the length of the network's prefix`),
		of(`.*\.system`, `(?i)(?:arm64|aarch64|armv8|aarch64[-_]?linux[-_a-z]*)`, `write "aarch64-linux"`),
		of(`.*\.system`, `(?i)(?:amd64|x64|x86[-_]?64|x86[-_]?64[-_]?linux[-_a-z]*|linux|nixos)`, `write "x86_64-linux"`),
		of(`nixpkgs|.*\.nixpkgs`, `(`+branch+`)`, pinned),
		of(`nixpkgs\.rev|.*\.nixpkgs\.rev`, `(`+branch+`|master|main)`, pinned),
		of(`.*\.?nixpkgs\.rev`, `([0-9a-f]{4,39})`, `write all 40 digits: in a clone of nixpkgs, git rev-parse $1 prints them`),
		of(`nixpkgs|.*\.nixpkgs`, `([./~].*)`, `a directory stands in path: its field path is "$1"`),
		of(`.*\.disk_uuid`, `/dev/disk/by-uuid/(.*)`, `write "$1"`),
		of(`.*\.disk_uuid`, `(/dev/.*)`, `on the host, lsblk -no UUID $1 prints it; a device without one stands in file_systems`),
		of(`.*\.host_keys\[\d+\]`, `.*PRIVATE KEY.*`, `this is a private key: write the text of the file beside it that ends in .pub`),
		of(`.*\.host_keys\[\d+\]`, `@?(?:cert-authority|revoked) .*`, `such a line stands in known_hosts, with the names it is for: muster reads it there`),
		of(`.*\.host_keys\[\d+\]`, `[^ ]+ (?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/=]+(?: .*)?`, `delete the name of the host in front of the key`),
		of(`.*\.host_keys\[\d+\]`, `(?:SHA256|MD5):.*`, `this is a fingerprint: muster trust compares it with the host's key, and writes the key`),
		of(`.*\.host_keys\[\d+\]`, `[^ ]*/[^ ]*|[^ ]*\.pub`, `write the text of the file; muster trust writes it by itself`),
		of(`.*\.health\[\d+\]`, `(https?://.*)`, `write {http: "$1"}`),
		of(`.*\.health\[\d+\]`, `([a-zA-Z0-9@_.-]+\.(?:service|socket|target|timer|mount))`, `write {unit: "$1"}`),
		of(`.*\.health\[\d+\]`, `([^ /:]+:\d+)`, `write {tcp: "$1"}`),
		of(`.*\.health\[\d+\]\.http`, `([a-zA-Z0-9.-]+(?::\d+)?(?:/.*)?)`, `write "http://$1"`),
		of(`.*(?:pause|timeouts\.\w+|interval|timeout)`, `(\d+) ?(?:s|secs?|seconds?)`, `write "${1}s"`),
		of(`.*(?:pause|timeouts\.\w+|interval|timeout)`, `(\d+) ?(?:m|mins?|minutes?)`, `write "${1}m"`),
		of(`.*(?:pause|timeouts\.\w+|interval|timeout)`, `(\d+) ?(?:h|hours?)`, `write "${1}h"`),
		of(`rollout\.batch`, `(?i)half`, `write "50%"`),
		of(`rollout\.batch`, `(?i)all`, `leave the field out: all hosts are one batch`),
		of(`.*\.tags\[\d+\]`, `@(.*)`, `write "$1": the @ is of --on @$1`),
		of(`.*\.roles\[\d+\]`, `\+(.*)`, `write "$1": the + is of --on +$1`),
		of(`(?:.*\.)?config`, `(?s)\s*(?:\{.*\}|[a-z]+: .*)\s*`, `text in Nix stands in nix; config has options as fields`),
		of(`kluster\.version|hosts\.[^.]+\.node\.version`, `v?(1\.(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2}))?)(?:[+-].*)?`, `write "$1"`),
		of(`kluster\.etcd`, `(?i)sqlite|embedded|external|kine|mysql.*|mariadb.*|postgres.*`, `leave it out for the SQLite of one master of k3s and the etcd of several; an empty list says that config names another datastore`),
		of(`kluster\.masters`, `(?i)all|\*`, `name the hosts, an odd number of them`),
		of(`kluster\.api\.address`, `(?:https?://)?([^/:]+):(\d+)/?`, `write "$1", and the port as api.port`),
		of(`kluster\.api\.address`, `https?://([^/:]+)/?`, `write "$1"`),
		of(`kluster\.distribution`, `(?i)k3s.*`, `write "k3s"`),
		of(`kluster\.distribution`, `(?i)rke.*`, `write "rke2"`),
		of(`kluster\.distribution`, `(?i)k8s|kubernetes|kubeadm|vanilla|upstream|nixos`, `write "kubernetes"`),
		of(`kluster\.(?:masters|etcd|load_balancers)\[\d+\]`, `[@+].*`, `name the hosts: a selector is for --on`),
		of(`kluster\.(?:master|(?:masters|etcd|load_balancers)\[\d+\])`, `\d+\.\d+\.\d+\.\d+|[0-9a-fA-F]*:[0-9a-fA-F:.]*`, `write the name of the host that has this address`),
		of(`.*\.swap`, `(\d+)(?:G|GB|GiB)`, `write a list such as [{device: "/swapfile", size: 4096}], with the size in MiB`),
		of(`.*\.limit_rate`, `(?i)(\d+) ?k(?:i?b)?(?:/s|ps)?`, `write "${1}k"`),
		of(`.*\.limit_rate`, `(\d+) ?[Mm](?:i?B)?(?:/s|ps)?`, `write "${1}M"`),
		of(`.*\.limit_rate`, `(\d+) ?[Gg](?:i?B)?(?:/s|ps)?`, `write "${1}000M"`),
		of(`inputs\.[^.]+`, `(github|gitlab):([^/]+/[^/?]+)/([^?]+)`, `write {$1: "$2", ref: "$3"}`),
		of(`inputs\.[^.]+`, `(github|gitlab):([^/]+/[^/?]+)`, `write {$1: "$2"}`),
		of(`inputs\.[^.]+`, `git\+([^?]+).*`, `write {git: "$1"}`),
		of(`inputs\.[^.]+`, `(https://.*\.tar\.\w+)`, `write {tarball: "$1"}`),
		of(`inputs\.[^.]+`, `(?:path:)?([./].*)`, `write {path: "$1"}`),
		of(`.*\.file_systems\..*`, `(/dev/.*)`, `write {device: "$1"}`),
		of(`.*\.swap`, `(/.*)`, `write [{device: "$1"}]`),
	}
})

// meantBy says what to write instead of a text; "" if nothing tells what is meant.
func meantBy(path, text string, l language) string {
	for _, m := range meantTexts() {
		if !m.field.MatchString(path) {
			continue
		}
		if at := m.text.FindStringSubmatchIndex(text); at != nil {
			return inLanguage(strings.Join(strings.Fields(string(m.text.ExpandString(nil, m.mend, text, at))), " "), l)
		}
	}
	return ""
}

var fieldInBraces = ondemand.Regexp(`([{,] ?)(\w+): `)

// inLanguage writes the fields in braces of a text in CUE as another language has them.
func inLanguage(text string, l language) string {
	switch l {
	case langTOML:
		return fieldInBraces().ReplaceAllString(text, "$1$2 = ")
	case langJSON:
		return fieldInBraces().ReplaceAllString(text, `$1"$2": `)
	}
	return text
}

// meantLists are what people mean by lists where there is none.
var meantLists = map[string]string{
	"kluster.master": "several masters stand in masters, which takes a list",
}

// isSecretText reports whether a text stands where a secret is described, and may be its value.
func isSecretText(n *node, path string) bool {
	if path == "kluster.token" {
		return n.kind == stringKind
	}
	at, _, below := strings.Cut(path, ".secrets.")
	return n.kind == stringKind && below && (at == "defaults" || strings.HasPrefix(at, "hosts.") || strings.HasPrefix(at, "roles.")) &&
		strings.Count(path[len(at):], ".") == 2
}

// secretInFile says where the value of a secret stands.
const secretInFile = `the value of a secret does not stand in the inventory: write the name of an encrypted file in its field age or sops, and muster secrets edit makes the file`

// inventoryFile matches the names of files that are inventories.
var inventoryFile = ondemand.Regexp(`\.(cue|toml|json|ya?ml)$`)

// missingModule says what is meant by a file that is not there; "" if nothing tells.
func missingModule(dir, name string) string {
	base := filepath.Base(name)
	switch {
	case strings.ContainsAny(base, "*?["):
		return "name each file, or a directory with a default.nix that imports them"
	case strings.HasPrefix(strings.TrimPrefix(name, "./"), "~"):
		return "~ stands for nothing here: write a path that is relative to the inventory, or a whole one"
	}
	whole := name
	if !filepath.IsAbs(whole) {
		whole = filepath.Join(dir, whole)
	}
	entries, err := os.ReadDir(filepath.Dir(whole))
	if err != nil {
		return ""
	}
	beside := func(other string) string {
		shown := filepath.Join(filepath.Dir(name), other)
		if !filepath.IsAbs(shown) && !strings.HasPrefix(shown, "../") {
			shown = "./" + shown
		}
		return fmt.Sprintf("did you mean %q?", shown)
	}
	var modules []string
	for _, e := range entries {
		switch other := e.Name(); {
		case strings.EqualFold(other, base), strings.EqualFold(other, base+".nix"):
			return beside(other)
		case filepath.Ext(other) == ".nix" && e.Type()&fs.ModeDir == 0:
			modules = append(modules, other)
		}
	}
	if near := nearest(base, modules); near != "" {
		return beside(near)
	}
	return ""
}

// endingIn is the one of several names that has an ending, "" for none.
func endingIn(ending string, names []string) string {
	for _, name := range names {
		if strings.HasSuffix(name, ending) {
			return name
		}
	}
	return ""
}

// aliasOf is the name of a field without what other tools write in front of it: host of ansible_host.
func aliasOf(name string, known []string) string {
	for _, prefix := range []string{"ansible_", "ssh_", "deployment_", "target_"} {
		rest, ok := strings.CutPrefix(strings.ToLower(name), prefix)
		for _, k := range known {
			if ok && k == rest {
				return k
			}
		}
	}
	return ""
}
