package schema

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"muster/exec/ondemand"
)

// What people mean by a value that the schema refuses, or by a field that it does not
// have.

// valueMend says what to write instead of a value that is not what the schema wants; ""
// if nothing tells what is meant.
func valueMend(n *node, path string, s *shape) string {
	l := languageOf(n.at.File)
	if path == "hosts" && n.kind != nullKind {
		return "name the hosts, as in " + hostExample[l]
	}
	if mend := klusterMend(n, path, s, l); mend != "" {
		return mend
	}
	switch n.kind {
	case nullKind:
		if l == langYAML && s.strct && s.leaf == nil {
			return "indent the fields that are in it further than its name"
		}
		if l == langYAML {
			return "nothing stands behind the colon: write a value there, or leave the field out"
		}
		return "leave the field out"
	case stringKind:
		if mend := meantBy(path, n.text, l); mend != "" {
			return mend
		}
		return textMend(n.text, s, l)
	case listKind:
		if mend := meantLists[path]; mend != "" {
			return mend
		}
	case intKind, floatKind:
		if s.fits(n.String()) {
			return "write " + doubleQuoted(n.String())
		}
		if strings.HasPrefix(s.want, "a duration") && s.fits(n.String()+"s") {
			return "write " + doubleQuoted(n.String()+"s")
		}
	}
	if s.leaf == nil && s.strct && len(s.order) > 0 {
		return fieldsOf(s)
	}
	return ""
}

// hostExample is an inventory of one host.
var hostExample = map[language]string{
	langCUE: `hosts: web: host: "ADDRESS"`, langTOML: `[hosts.web] and host = "ADDRESS" below it`,
	langJSON: `"hosts": {"web": {"host": "ADDRESS"}}`, langYAML: "hosts: {web: {host: ADDRESS}}",
}

// textMend is valueMend for a text.
func textMend(text string, s *shape, l language) string {
	first, _ := utf8.DecodeRuneInString(text)
	plain := strings.TrimSpace(text)
	switch {
	case lookAlikes[first] == `"` || lookAlikes[first] == `'`:
		return `write plain quotes, "…", instead of typographic ones`
	case strings.IndexFunc(text, func(r rune) bool { _, ok := lookAlikes[r]; return ok && r != '…' }) >= 0 && s.fits(strings.Map(plainRune, text)):
		return "a character in it only looks like a plain one: type it anew"
	case plain != text && s.fits(plain):
		return "delete the space around it"
	case l == langYAML && strings.HasPrefix(text, "-") && s.elem != nil:
		return "write a space behind each -"
	case l == langYAML && s.strct && yamlEquals().MatchString(text):
		return "write " + yamlEquals().ReplaceAllString(text, "$1: $2")
	case strings.Contains(text, "${") && l == langCUE:
		return `CUE writes "\(name)" for the value of a field`
	case strings.Contains(text, "${"), strings.Contains(text, "{{"):
		return "nothing is filled in here; hosts.cue can refer to fields"
	case s.elem != nil && s.leaf == nil && s.elem.fits(text) && clip(text) != text:
		return "write [ ] around it"
	case s.elem != nil && s.leaf == nil && s.elem.fits(text):
		return "write [" + strings.Join(parts(text), ", ") + "]"
	case s.leaf == nil && s.fields["host"] != nil && s.fields["host"].fits(text):
		if l == langTOML {
			return "write {host = " + doubleQuoted(text) + "}"
		}
		return "write {" + l.pair("host", doubleQuoted(text)) + "}"
	case s.leaf == nil && s.strct && len(s.order) > 0:
		return fieldsOf(s)
	case s.leaf == nil:
		return ""
	}
	if lower := strings.ToLower(text); lower != text && s.fits(lower) {
		return "write " + doubleQuoted(clip(lower))
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && s.leaf.accepts(&node{kind: intKind, num: i}) {
		return fmt.Sprintf("write %d, without quotes", i)
	}
	for _, word := range []bool{true, false} {
		m := otherWord(0, text, l)
		if s.leaf.accepts(&node{kind: boolKind, bool: word}) && (text == strconv.FormatBool(word) || m != nil && m.mend == fmt.Sprintf("write %t", word)) {
			return fmt.Sprintf("write %t, without quotes", word)
		}
	}
	return ""
}

// parts are the texts of a list that is written as one text, with commas between them.
func parts(text string) (list []string) {
	for part := range strings.SplitSeq(clip(text), ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, doubleQuoted(part))
		}
	}
	return list
}

// fieldsOf names the first fields of an attribute set.
func fieldsOf(s *shape) string {
	const most = 6
	if len(s.order) > most {
		return "its fields: " + strings.Join(s.order[:most], ", ") + ", …"
	}
	return "its fields: " + strings.Join(s.order, ", ")
}

// plainRune replaces a character by the one that it looks like, where that is one.
func plainRune(r rune) rune {
	if plain, ok := lookAlikes[r]; ok {
		if plain == "" {
			return -1
		}
		return rune(plain[0])
	}
	return r
}

// fits reports whether a shape accepts a text.
func (s *shape) fits(text string) bool {
	return s.leaf != nil && s.leaf.accepts(&node{kind: stringKind, text: text})
}

var yamlEquals = ondemand.Regexp(`^([\w.-]+) *= *(\S.*)$`)

// nixosOptions are the names that most options of NixOS begin with.
var nixosOptions = map[string]bool{
	"services": true, "networking": true, "environment": true, "users": true, "boot": true, "programs": true, "security": true, "time": true,
	"i18n": true, "systemd": true, "virtualisation": true, "hardware": true, "fileSystems": true, "swapDevices": true, "fonts": true,
	"console": true, "documentation": true, "xdg": true, "sound": true, "powerManagement": true, "containers": true, "age": true, "sops": true, "home-manager": true,
}

// IsOptionRoot reports whether options of NixOS begin with a name.
func IsOptionRoot(name string) bool { return nixosOptions[name] }

// elsewhere says what takes the place of a field that another tool has; "" if there is
// none.
func elsewhere(f field, path string) string {
	l := languageOf(f.at.File)
	at, name := path[:max(0, strings.LastIndex(path, "."))], f.name
	host := strings.Count(at, ".") == 1 && (strings.HasPrefix(at, "hosts.") || strings.HasPrefix(at, "roles.")) || at == "defaults"
	if mend := klusterElsewhere(f, at); mend != "" {
		return mend
	}
	if mend := meshElsewhere(name, at); mend != "" {
		return mend
	}
	switch {
	case host && nixosOptions[name]:
		return "an option of NixOS stands in config: " + map[language]string{langTOML: "config." + name + ". …", langJSON: `"config": {` + doubleQuoted(name) + ": …}", langYAML: "config: and " + name + ": below it", langCUE: "config: " + name + ": …"}[l]
	case (host || at == "") && (name == "deployment" || name == "targetHost"):
		return "host takes the place of deployment.targetHost, user of targetUser, port of targetPort, tags of tags, secrets of keys and build_on of buildOnTarget; muster convert carries a whole fleet over"
	case at == "" && (name == "all" || name == "_meta") && f.val.get("hosts") != nil:
		return "this is an inventory of Ansible: " + l.pair("hosts", "…") + " stands at the top, and the address of a host in host"
	case at == "" && f.val.get("host") != nil:
		return "a host stands in hosts: " + hostAt(l, name)
	case at == "nixpkgs" && (name == "channel" || name == "branch" || name == "ref"):
		return "a branch is an input, which muster update pins: inputs has nixpkgs with github \"NixOS/nixpkgs\" and ref, and nixpkgs has input \"nixpkgs\""
	case strings.HasPrefix(at, "inputs.") && name == "url" && f.val.kind == stringKind:
		if mend := meantBy(at, f.val.text, l); mend != "" {
			return strings.NewReplacer("{", "", "}", "").Replace(mend) + " in its place"
		}
		return "one of github, gitlab, sourcehut, git, tarball, file and path takes its place"
	case host && ofTheFleet[name]:
		return name + " stands at the top of the inventory, beside hosts"
	case host && name == "reboot":
		return "muster deploy --reboot restarts hosts that need it; timeouts: reboot says how long that may take"
	case strings.HasSuffix(at, ".ssh") && sshOptions[strings.ReplaceAll(strings.ToLower(name), "_", "")] != "":
		return "write " + l.pair("options", "{"+l.pair(sshOptions[strings.ReplaceAll(strings.ToLower(name), "_", "")], "…")+"}")
	case l == langTOML && at != "" && !strings.Contains(at, ".") && (name == "hosts" || ofTheFleet[name]):
		return "it stands in the table [" + at + "] here: move it above the first table"
	case at == "" && ofHosts[name]:
		return "it is of a host; in defaults it is of all: " + l.pair("defaults", "{"+l.pair(name, "…")+"}")
	case at == "" && name == "groups":
		return "a group is a tag of its hosts: tags in each, and --on @TAG for all of them"
	case at == "" && name == "machines", at == "" && name == "nodes", at == "" && name == "nixosConfigurations":
		return "the field with the hosts is hosts"
	}
	return ""
}

// ofTheFleet are fields that stand at the top alone, ofHosts those that do not stand there,
// and sshOptions options of ssh that people take for fields.
var (
	ofTheFleet = map[string]bool{"rollout": true, "kluster": true, "inputs": true, "builders": true, "cache": true, "secret_recipients": true, "lock": true, "impure": true, "hosts": true, "defaults": true}
	ofHosts    = map[string]bool{
		"health": true, "tags": true, "user": true, "port": true, "host_keys": true, "imports": true, "config": true, "nix": true, "system": true, "timeouts": true, "privilege": true,
		"build_on": true, "swap": true, "file_systems": true, "disk_uuid": true, "ssh": true, "jump": true, "policy": true, "guard": true, "rollback": true, "limit_rate": true, "substitute": true, "secrets": true, "profiles": true,
	}
	sshOptions = map[string]string{"identityfile": "IdentityFile", "key": "IdentityFile", "keyfile": "IdentityFile", "privatekey": "IdentityFile", "proxycommand": "ProxyCommand", "connecttimeout": "ConnectTimeout", "identitiesonly": "IdentitiesOnly"}
)

// hostAt writes the place of a host.
func hostAt(l language, name string) string {
	switch l {
	case langTOML:
		return "[hosts." + name + "]"
	case langJSON:
		return `{"hosts": {` + doubleQuoted(name) + ": …}}"
	case langYAML:
		return "hosts: and " + name + ": below it, indented"
	}
	return "hosts: " + name + ": …"
}

// ownName says how a value of the user's own is named in CUE, which has fields that are
// no part of the result.
func ownName(f field, path string) string {
	switch {
	case strings.Contains(path, "."):
		return ""
	case languageOf(f.at.File) != langCUE:
		return "; a value of your own stands in meta"
	case !isIdent(f.name):
		return ""
	}
	return fmt.Sprintf("; for a value of your own, to refer to, write let %s = …, or _%s: …", f.name, f.name)
}
