package cmd

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"muster/exec"
	"muster/exec/ondemand"
	"muster/schema"
)

// What a command line means that muster does not know: words and flags of other tools,
// and hosts where an inventory is expected.

// meantWords are words that are no command, and what to write instead. Words of the tools
// that users come from are in [formerTools].
var meantWords = map[string]string{
	"check":        "muster vet checks the inventory, muster status the hosts",
	"validate":     "muster vet checks the inventory",
	"lint":         "muster vet checks the inventory",
	"test":         "muster deploy --action test activates without a boot entry, muster vet checks the inventory",
	"reboot":       "muster deploy --reboot restarts hosts whose new kernel needs it, muster exec --on HOST -- systemctl reboot any",
	"restart":      "muster exec --on HOST -- systemctl restart UNIT",
	"log":          "muster exec --on HOST -- journalctl -n 50",
	"journal":      "muster exec --on HOST -- journalctl -n 50",
	"switch":       "muster deploy",
	"boot":         "muster deploy --action boot",
	"dry-activate": "muster deploy --action dry-activate",
	"activate":     "muster deploy",
	"rebuild":      "muster deploy",
	"up":           "muster deploy",
	"sync":         "muster deploy",
	"converge":     "muster deploy",
	"diff":         "muster plan shows what deploy would change",
	"dry-run":      "muster plan shows what deploy would change",
	"preview":      "muster plan shows what deploy would change",
	"new":          "muster init begins an inventory",
	"add":          "muster adopt root@ADDRESS adds a machine that runs; or write a host into the inventory",
	"remove":       "take the host out of the inventory",
	"delete":       "take the host out of the inventory; muster provision destroy destroys machines that muster made",
	"destroy":      "muster provision destroy HOST destroys a machine that muster made; take others out of the inventory",
	"list":         "muster inventory list lists the hosts, muster generations their generations",
	"ls":           "muster inventory list lists the hosts",
	"hosts":        "muster inventory list lists the hosts",
	"nodes":        "muster inventory list lists the hosts",
	"get":          "muster inventory get PATH",
	"show-hosts":   "muster inventory list",
	"run":          "muster exec -- COMMAND",
	"cmd":          "muster exec -- COMMAND",
	"shell":        "muster ssh HOST logs in, muster repl evaluates expressions",
	"login":        "muster ssh HOST",
	"connect":      "muster ssh HOST",
	"scp":          "muster ssh -G HOST prints what ssh needs to know of a host; files belong in its configuration",
	"console":      "muster repl",
	"copy":         "muster push",
	"upload":       "muster push copies systems, muster secrets push secrets",
	"keys":         "muster secrets",
	"secret":       "muster secrets",
	"undo":         "muster rollback",
	"revert":       "muster rollback",
	"upgrade":      "muster update pins the inputs to what is newest, then muster deploy",
	"lock":         "muster update writes muster.lock",
	"pull":         "muster update pins the inputs to what is newest, muster fetch fetches them",
	"clean":        "muster gc removes old generations",
	"format":       "muster fmt",
	"health":       "muster status shows the health checks",
	"ping":         "muster status, or muster exec -- true",
	"facts":        "muster adopt root@ADDRESS reads a machine, muster eval --attr its configuration",
	"image":        "muster build --image KIND",
	"vm":           "muster build --image vm",
	"playbook":     "muster deploy",
	"continue":     "muster resume",
	"man":          "muster help",
	"bootstrap":    "muster install",
	"dry-build":    "muster build",
	"import-nix":   "muster convert",
	"migrate":      "muster convert",
	"generate":     "muster secrets generate makes secrets, muster compile the Nix",
	"confirm":      "muster resume confirms an activation that waits for it",
	"unlock":       "a lock on a host lapses by itself, after --lock-timeout",
	"interactive":  "muster plan, then muster deploy",
}

// meantBelow are words that are no command of a family of commands, and which one is meant.
var meantBelow = map[string]map[string]string{
	"secrets": {
		"add": "write its file into secrets of a host, and muster secrets edit NAME", "new": "muster secrets edit NAME", "create": "muster secrets edit NAME", "set": "muster secrets edit NAME", "change": "muster secrets edit NAME",
		"show": "muster secrets edit NAME opens it in an editor", "get": "muster secrets edit NAME opens it in an editor", "view": "muster secrets edit NAME opens it in an editor", "cat": "muster secrets edit NAME opens it in an editor", "decrypt": "muster secrets edit NAME opens it in an editor",
		"encrypt": "muster secrets edit NAME makes a secret, muster secrets rekey encrypts all anew", "updatekeys": "muster secrets rekey", "reencrypt": "muster secrets rekey", "deploy": "muster secrets push", "upload": "muster secrets push", "keygen": "age-keygen makes a key; muster secrets generate makes secrets",
	},
	"inventory": {"dump": "muster inventory show", "hosts": "muster inventory list", "ls": "muster inventory list", "graph": "muster graph", "edit": "it is a file: open it in an editor", "check": "muster vet"},
	"provision": {"up": "muster provision apply", "create": "muster provision apply", "deploy": "muster provision apply", "init": "muster provision apply does that too", "preview": "muster provision plan", "diff": "muster provision plan", "status": "muster provision show", "list": "muster provision show", "output": "muster provision show", "down": "muster provision destroy HOST", "delete": "muster provision destroy HOST"},
	"cluster":   {"drain": "muster deploy drains the nodes that it changes, muster cluster remove NODE takes one out for good", "delete": "muster cluster remove NODE", "nodes": "muster cluster status", "get": "muster cluster status", "info": "muster cluster status", "add": "give the host the role kubernetes-node, and muster deploy", "join": "give the host the role kubernetes-node, and muster deploy", "config": "muster kubeconfig", "upgrade": "set kluster version, and muster deploy"},
	"mesh":      {"add": "on of the mesh chooses its members; muster mesh assign gives them addresses", "join": "on of the mesh chooses its members; muster mesh assign gives them addresses", "status": "muster status shows meshes", "show": "muster status shows meshes", "rotate": "muster secrets rotate, then muster mesh switch"},
	"agent":     {"start": "muster agent run", "status": "muster status --from asks the hosts' reports", "install": "pull in the inventory puts it on a host"},
}

// noVerb refuses a word that is not a command, and says what is meant by it.
func noVerb(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return unknownWord(c, args[0], "unknown command %q for %q", args[0], c.CommandPath())
}

// unknownWord is an error about a word that is not known, with what is meant by it.
func unknownWord(c *cobra.Command, word, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if meant := meantBy(c, word); meant != "" {
		return usageError{fmt.Errorf("%w; %s", err, meant)}
	}
	return usageError{err}
}

// meantBy says what is meant by a word that is not a command; "" if nothing tells.
func meantBy(c *cobra.Command, word string) string {
	c.SuggestionsMinimumDistance = 2
	plain := strings.ToLower(strings.TrimLeft(word, "-"))
	for _, sub := range c.Commands() {
		if sub.Name() == plain && sub.IsAvailableCommand() {
			return "did you mean " + sub.CommandPath() + "?"
		}
	}
	if !c.HasParent() {
		if meant := meantWords[plain]; meant != "" {
			return meant
		}
		if meant := formerly(plain); meant != "" {
			return meant
		}
	}
	if meant := meantBelow[c.Name()][plain]; meant != "" && c.HasParent() {
		return meant
	}
	for _, sub := range c.Commands() {
		for _, below := range sub.Commands() {
			if below.Name() == plain && below.IsAvailableCommand() {
				return "did you mean " + below.CommandPath() + "?"
			}
		}
	}
	if t := topicLike(plain); t != "" && !c.HasParent() {
		return "muster help " + t + " is about it"
	}
	if like := c.SuggestionsFor(word); len(like) > 0 {
		return fmt.Sprintf("did you mean %s?", strings.Join(like, " or "))
	}
	if c.HasParent() {
		return fmt.Sprintf("%s --help lists the commands", c.CommandPath())
	}
	if strings.HasPrefix(word, "@") || strings.HasPrefix(word, "+") || len(hostsNamed([]string{word})) > 0 {
		return fmt.Sprintf("hosts are chosen with --on: muster deploy --on %s", word)
	}
	if _, err := os.Stat(word); err == nil {
		return fmt.Sprintf("an inventory stands behind the command: muster vet %s", word)
	}
	return ""
}

// topicLike returns the topic that a word names in part: its first letters, such as env, a
// longer word, such as ssh-config, or its last word, such as colmena.
func topicLike(word string) string {
	if len(word) < 3 {
		return ""
	}
	for _, t := range topics() {
		if strings.HasPrefix(t.name, word) || strings.HasPrefix(word, t.name) || strings.HasSuffix(t.name, " "+word) || strings.ReplaceAll(t.name, " ", "-") == word {
			return t.name
		}
	}
	return ""
}

// formerly returns what takes the place of a command of another tool.
func formerly(word string) string {
	for _, t := range formerTools {
		for _, c := range t.commands {
			words := strings.Fields(c.theirs)
			if len(words) > 1 && words[1] == word && len(words) == 2 || len(words) > 1 && words[1] == word && strings.ToLower(t.name) == "morph" {
				return fmt.Sprintf("for %s, %s; muster help coming-from %s has the others", strings.Join(words[:2], " "), c.ours, strings.ToLower(t.name))
			}
		}
	}
	return ""
}

// explainArgs says what is wrong with the arguments of a command.
func explainArgs(c *cobra.Command, given []string, err error) error {
	usage := "usage: " + strings.TrimSuffix(c.UseLine(), " [flags]")
	chosen := slices.DeleteFunc(slices.Clone(given), func(arg string) bool { return !meansHosts(arg) })
	switch {
	case len(chosen) > 0 && c.Flags().Lookup("on") != nil:
		return fmt.Errorf("%s: hosts are chosen with --on: %s --on %s", strings.Join(given, " "), c.CommandPath(), strings.Join(chosen, ","))
	case c.Name() == "apply":
		return fmt.Errorf("apply carries out a plan that muster plan --out saved, and takes its file; muster deploy brings hosts to what the inventory says")
	case len(given) == 0:
		return fmt.Errorf("%s needs an argument; %s", c.CommandPath(), usage)
	}
	return fmt.Errorf("%s %s: %w; %s", c.CommandPath(), strings.Join(given, " "), err, usage)
}

// meansHosts reports whether an argument chooses hosts.
func meansHosts(arg string) bool {
	if _, err := os.Stat(arg); err == nil {
		return false
	}
	return strings.HasPrefix(arg, "@") || strings.HasPrefix(arg, "+") || strings.HasPrefix(arg, "!") || len(hostsNamed([]string{arg})) > 0
}

// hostsNamed returns those of some words that are names of hosts of the inventory here.
func hostsNamed(words []string) []string {
	known := fleetNamesOf(nil)
	return slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !slices.Contains(known.Hosts, w) })
}

// meansOption reports whether an argument is the name of an option of NixOS.
func meansOption(arg string) bool {
	root, rest, dotted := strings.Cut(arg, ".")
	return dotted && rest != "" && schema.IsOptionRoot(root) || root == "config" && dotted
}

// noInventory adds to an error about an inventory that is not there what was meant by its
// name.
func noInventory(where string, err error) error {
	if _, gone := os.Getwd(); gone != nil {
		return fmt.Errorf("%w; %s", err, noDirectory)
	}
	if meansHosts(where) {
		return fmt.Errorf("%w; hosts are chosen with --on: --on %s", err, where)
	}
	if meant := meantInventory(where); meant != "" {
		return fmt.Errorf("%w; %s", err, meant)
	}
	if meansOption(where) {
		return fmt.Errorf("%w; an option is named with --attr: muster eval --attr config.%s", err, strings.TrimPrefix(where, "config."))
	}
	dir := where
	switch info, statErr := os.Stat(dir); {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let yourself in with chmod or chown, or run muster as its owner", err)
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("%w; an inventory is a file such as hosts.cue, or a directory that holds one; muster init begins one", err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%w; a part of this path is a file, where a folder is wanted", err)
	case statErr != nil, !info.IsDir():
		return err
	}
	for _, other := range []struct{ file, mend string }{
		{"flake.nix", "muster convert writes one from the hosts of the flake there"},
		{"hive.nix", "muster convert hive.nix writes one from the hive of colmena there"},
		{"network.nix", "muster convert network.nix writes one from the network there"},
		{"configuration.nix", "muster init begins one; name configuration.nix in imports of its host"},
	} {
		if _, statErr := os.Stat(filepath.Join(dir, other.file)); statErr == nil {
			return fmt.Errorf("%w; %s", err, other.mend)
		}
	}
	return fmt.Errorf("%w; muster init begins one", err)
}

// noDirectory says why no file is found where the current directory was deleted.
const noDirectory = "the current directory does not exist any more; cd into another"

// meantInventory says what is meant by a word that stands where the inventory does and is no
// file; "" if nothing tells.
func meantInventory(where string) string {
	if _, err := os.Stat(where); err == nil {
		return ""
	}
	dashes := strings.TrimLeft(where, "-‐‑–—−")
	_, flake, isFlake := strings.Cut(where, "#")
	_, login, isLogin := strings.Cut(where, "@")
	switch {
	case dashes != where && dashes != "" && !strings.HasPrefix(where, "-"):
		return "it begins with a dash that is no hyphen; write --" + dashes
	case where == "help":
		return "--help shows how a command is used"
	case strings.Trim(where, "0123456789") == "":
		return "a number goes with a flag: muster rollback --to " + where + " returns to that generation"
	case where == "-":
		return "an inventory is a file or a directory; standard input is none"
	case slices.Contains([]exec.Action{exec.Switch, exec.Boot, exec.Test, exec.DryActivate}, exec.Action(where)):
		return "muster deploy --action " + where + " says what is done"
	case strings.HasPrefix(where, "~/"), strings.HasPrefix(where, "$"):
		return "the shell puts a folder in the place of ~ and $HOME where they stand outside of quotes"
	case strings.Contains(where, "://"), strings.HasPrefix(where, "github:"), strings.HasPrefix(where, "gitlab:"):
		return "an inventory is a file or a directory here; git clone brings one"
	case isFlake && flake != "":
		return "hosts are chosen with --on: --on " + flake + "; muster convert writes an inventory from a flake"
	case isLogin && login != "":
		return "hosts are chosen by their names, with --on: --on " + login
	}
	if near := schema.Nearest(filepath.Base(where), filesIn(filepath.Dir(where))); near != "" {
		return "did you mean " + filepath.Join(filepath.Dir(where), near) + "?"
	}
	return ""
}

// filesIn are the names of what may be inventories in a directory.
func filesIn(dir string) []string {
	entries, _ := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if isInventory(e.Name()) || e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names
}

// meantFlags are flags of other tools, and what takes their place: of several, divided by |,
// the first that the command has.
var meantFlags = map[string]string{
	"H": "--on", "l": "--on", "batch": "rollout: batch in the inventory", "p": "--jobs", "P": "--jobs", "no-color": "--color never", "no-colour": "--color never",
	"format": "--output", "output": "--format|--json|--out|--to", "out": "--to|--output|--keep", "older-than": "--newer-than, which keeps the generations of so many days and removes older ones", "delete-older-than": "--newer-than, which keeps the generations of so many days and removes older ones", "d": "--keep 1", "delete-old": "--keep 1", "generation": "--to", "to": "--push-to", "on": "the name of the HOST behind the command", "run": "the name of the RUN behind the command", "input": "the name of the INPUT behind the command",
	"n": "--limit", "lines": "--limit", "all": "nothing: without --on it is all hosts", "assume-yes": "--yes", "ask-pass": "muster trust --password, which installs a key", "no-build": "muster deploy --path, for a system that is built",
	"days": "--newer-than", "delete-generations": "--keep", "dry-build": "muster build", "extra-experimental-features": "the settings of Nix in nix.conf, or in $NIX_CONFIG", "watch": "watch muster status",
	"include": "--on web1,web2", "exclude": "--on '!web1'", "limit": "--on", "hosts": "--on", "host": "--on", "node": "--on", "nodes": "--on",
	"target": "--on", "targets": "--on", "target-host": "--on", "tagged": "--on @TAG", "tags": "--on @TAG", "tag": "--on @TAG", "only": "--on", "role": "--on +ROLE",
	"parallel": "--jobs", "max-jobs": "--jobs", "forks": "--jobs", "concurrency": "--jobs", "serial": "rollout: batch in the inventory",
	"force-reboot": "--reboot", "allow-reboot": "--reboot", "check": "--dry-run, or muster plan|muster plan", "diff": "muster plan", "dry-activate": "--action dry-activate",
	"boot": "--action boot", "switch": "--action switch", "test": "--action test", "build-only": "muster build", "copy-only": "muster push",
	"keep-result": "muster build --keep", "result-path": "muster build --keep", "build-on-target": `build_on: "target" in the inventory`, "remote-build": `build_on: "target" in the inventory`,
	"build-host": "--builders", "flake": "muster eval --flake, or flake of a host in the inventory", "config": "the INVENTORY behind the command", "file": "the INVENTORY behind the command",
	"inventory": "the INVENTORY behind the command", "user": "user in the inventory", "port": "port in the inventory", "use-remote-sudo": `privilege: "sudo" in the inventory`, "sudo": `privilege: "sudo" in the inventory`,
	"ssh-user": "user in the inventory", "ssh-opts": "ssh: options in the inventory", "verbose": "--output json, which prints every event|nothing", "v": "--output json, which prints every event|nothing", "debug": "--output json, which prints every event|nothing",
	"json": "--output json|--format json", "quiet": "2>/dev/null: standard output has the outcomes alone", "q": "2>/dev/null: standard output has the outcomes alone", "silent": "2>/dev/null: standard output has the outcomes alone",
	"dry": "--dry-run, or muster plan|muster plan", "timeout": "--activate-timeout, --connect-timeout or another that ends in -timeout", "o": "--on, or --output|--output|--format|--to", "i": "the INVENTORY behind the command", "f": "the INVENTORY behind the command", "V": "muster version",
	"max-rate": "--limit-rate", "bandwidth-limit": "--limit-rate", "bwlimit": "--limit-rate", "ask-become-pass": `privilege: "sudo-password" in the inventory`, "ask-sudo-password": `privilege: "sudo-password" in the inventory`, "K": `privilege: "sudo-password" in the inventory`, "become": `privilege: "sudo" in the inventory`,
	"ssh-option": "ssh: options in the inventory", "ssh-options": "ssh: options in the inventory", "option": "the settings of Nix in nix.conf, or in $NIX_CONFIG", "keep-going": "nothing: one host's failure does not stop the others", "k": "nothing: one host's failure does not stop the others",
	"system": "system of a host in the inventory", "substituters": "cache in the inventory", "refresh": "muster update", "update-input": "muster update INPUT", "recreate-lock-file": "muster update", "commit-lock-file": "muster update, then git commit", "no-substitute": "nothing", "L": "nothing: the log of a build that fails is printed", "print-build-logs": "nothing: the log of a build that fails is printed",
	"no-rollback": "rollback: false in the inventory", "magic-rollback": "nothing: a host that cannot be reached goes back by itself",
	"auto-rollback": "nothing: a host that fails goes back by itself", "force": "--yes, or --replace-foreign|--yes", "no-confirm": "--yes", "yes": "nothing: it asks nothing", "y": "nothing: it asks nothing", "interactive": "muster plan, then muster deploy",
	"eval-node-limit": "nothing: hosts share one evaluation", "rollback": "muster rollback", "upgrade": "muster update, then muster deploy", "fast": "nothing", "profile-name": "--profile",
}

// meantFlag says what takes the place of a flag that a command does not have; "" if nothing
// tells.
func meantFlag(c *cobra.Command, name string) string {
	for meant := range strings.SplitSeq(meantFlags[name], "|") {
		flag, isFlag := strings.CutPrefix(meant, "--")
		flag = flag[:len(flag)-len(strings.TrimLeft(flag, "abcdefghijklmnopqrstuvwxyz-"))] // without a value
		_, argument, isArgument := strings.Cut(meant, " of the ")
		argument, _, _ = strings.Cut(argument, " ")
		switch {
		case isFlag && c.Flags().Lookup(flag) == nil:
		case isArgument && !strings.Contains(c.Use, argument):
		default:
			return meant
		}
	}
	return ""
}

var unknownFlag = ondemand.Regexp(`^unknown (?:shorthand )?flag: (?:--)?['"]?([\w-]+)`)

// foreignFlag adds to an error about a flag that a command does not have which one is
// meant.
func foreignFlag(c *cobra.Command, err error) error {
	m := unknownFlag().FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	if c.Name() == "apply" && m[1] == "on" {
		return fmt.Errorf("%w: apply carries out a saved plan as it is; muster deploy --on chooses hosts, and so does muster plan --on", err)
	}
	if meant := meantFlag(c, m[1]); meant != "" {
		if why, needless := strings.CutPrefix(meant, "nothing"); needless {
			return fmt.Errorf("%w for %s; leave it out%s", err, c.CommandPath(), why)
		}
		return fmt.Errorf("%w for %s; want %s", err, c.CommandPath(), meant)
	}
	var known []string
	for _, g := range flagGroups(c) {
		for _, f := range g.flags {
			known = append(known, f.Name)
		}
	}
	if near := schema.Nearest(m[1], known); near != "" {
		return fmt.Errorf("%w for %s; did you mean --%s?", err, c.CommandPath(), near)
	}
	if _, letters, many := strings.Cut(err.Error(), "' in -"); many && len(letters) > 1 {
		if letters == "elp" { // the h before it is a flag
			return fmt.Errorf("unknown flag: -help; want --help")
		}
		return fmt.Errorf("%w; a flag of more than one letter begins with --; %s --help lists the flags", err, c.CommandPath())
	}
	if !c.HasParent() {
		return fmt.Errorf("%w; flags stand behind the command, as in muster deploy %s; muster --help lists the commands", err, strings.Repeat("-", min(2, len(m[1])))+m[1])
	}
	return fmt.Errorf("%w; %s --help lists its flags", err, c.CommandPath())
}
