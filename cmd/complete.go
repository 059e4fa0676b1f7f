package cmd

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"muster/exec"
	"muster/exec/foreign"
	"muster/schema"
)

// What the shell completes besides commands, flags and words: names of the fleet.

// fleetNames are the names that an inventory has. They are kept in the cache, so that
// completion does not compute the inventory at each key.
type fleetNames struct {
	Version int                `json:"version"`
	Files   map[string]fileAge `json:"files"` // that the inventory was read from
	Hosts   []string           `json:"hosts"`
	Tags    []string           `json:"tags"`
	Roles   []string           `json:"roles"`
	Secrets []string           `json:"secrets"`
	Inputs  []string           `json:"inputs"`
	Paths   []string           `json:"paths"`   // of values in hosts
	Options []string           `json:"options"` // of NixOS that the inventory sets
}

// namesVersion is that of what the cache has.
const namesVersion = 2

// A fileAge tells whether a file has changed.
type fileAge struct {
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

// completionTime is how long an inventory may take to compute for its names.
const completionTime = 3 * time.Second

// mostPaths is how many paths of values are kept.
const mostPaths = 20_000

// fleetNamesOf returns the names of the inventory that arguments name, or none.
func fleetNamesOf(args []string) *fleetNames {
	where, err := filepath.Abs(inventory(args))
	if err != nil {
		return &fleetNames{}
	}
	cache := ""
	known := &fleetNames{}
	if dir, err := cacheDir(); err == nil {
		sum := sha256.Sum256([]byte(where))
		cache = filepath.Join(dir, "muster", "names", hex.EncodeToString(sum[:12])+".json")
		known = cachedNames(cache)
		if known.current() {
			return known
		}
	}
	ctx, stop := context.WithTimeout(context.Background(), completionTime)
	defer stop()
	if fleet, err := schema.Load(ctx, where, schema.Options{Unpinned: true, Time: completionTime}); err == nil {
		known = namesOf(fleet)
	} else if file, there, err := schema.Find(where); err == nil && there {
		// While it is edited, it has the names that it had.
		known.noteAges(filepath.Dir(file), file)
	} else {
		return &fleetNames{}
	}
	if cache != "" {
		known.keep(cache)
	}
	return known
}

// cachedNames reads names from the cache; there are none where they cannot be read.
func cachedNames(name string) *fleetNames {
	text, err := foreign.ReadFile(name, foreign.Limits{Size: 8 << 20})
	var names fleetNames
	if err != nil || json.Unmarshal(text, &names) != nil || names.Version != namesVersion {
		return &fleetNames{}
	}
	return &names
}

// current reports whether names are those of the files as they are.
func (n *fleetNames) current() bool {
	for file, age := range n.Files {
		if now, ok := ageOf(file); !ok || now.Size != age.Size || !now.Changed.Equal(age.Changed) {
			return false
		}
	}
	return len(n.Files) > 0
}

// noteAges notes how old the files are that names were read from.
func (n *fleetNames) noteAges(files ...string) {
	n.Version, n.Files = namesVersion, map[string]fileAge{}
	for _, file := range files {
		if age, ok := ageOf(file); ok {
			n.Files[file] = age
		}
	}
}

func ageOf(name string) (fileAge, bool) {
	info, err := os.Stat(name)
	if err != nil {
		return fileAge{}, false
	}
	return fileAge{info.Size(), info.ModTime()}, true
}

// keep writes names to the cache. That it cannot be written costs time and nothing else.
func (n *fleetNames) keep(name string) {
	text, err := json.Marshal(n)
	if err != nil || os.MkdirAll(filepath.Dir(name), 0o700) != nil {
		return
	}
	root, err := os.OpenRoot(filepath.Dir(name))
	if err != nil {
		return
	}
	defer root.Close()
	_ = foreign.Replace(root, filepath.Base(name), func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

// namesOf are the names of a fleet.
func namesOf(fleet *schema.Fleet) *fleetNames {
	n := new(fleetNames)
	// A file that is added to the directory can belong to the inventory too.
	n.noteAges(append([]string{fleet.Dir}, fleet.Files...)...)
	for i := range fleet.Inputs {
		n.Inputs = append(n.Inputs, fleet.Inputs[i].Name)
	}
	if fleet.Lock != nil {
		n.Inputs = append(n.Inputs, fleet.Lock.Names...)
	}
	modules := []*schema.Module{&fleet.Defaults}
	for _, r := range fleet.Roles {
		n.Roles = append(n.Roles, r.Name)
		modules = append(modules, &r.Module)
	}
	for _, h := range fleet.Hosts {
		n.Hosts = append(n.Hosts, h.Name)
		n.Tags = append(n.Tags, h.Tags...)
		modules = append(modules, &h.Module)
	}
	for _, m := range modules {
		for _, s := range m.Secrets {
			n.Secrets = append(n.Secrets, s.Name)
		}
		if m.Config != nil {
			n.addOptions(m.Config, "config")
		}
	}
	if all, err := schema.Inspect(fleet, ""); err == nil {
		for _, l := range schema.Leaves(all, "") {
			if len(n.Paths) < mostPaths {
				n.Paths = append(n.Paths, l.Path)
			}
		}
	}
	for _, list := range []*[]string{&n.Tags, &n.Secrets, &n.Inputs, &n.Options} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return n
}

// addOptions adds the paths of the options that are set, and those above them.
func (n *fleetNames) addOptions(a *schema.Attrs, path string) {
	for _, f := range a.Fields {
		if len(n.Options) >= mostPaths || f.Name == "" || strings.ContainsAny(f.Name, ". \"") {
			continue
		}
		below := path + "." + f.Name
		n.Options = append(n.Options, below)
		if attrs, ok := f.Value.(*schema.Attrs); ok {
			n.addOptions(attrs, below)
		}
	}
}

// commonOptions are options that people ask for with --attr, whatever the inventory sets.
var commonOptions = []string{
	"config.boot.kernelPackages.kernel.version", "config.boot.kernelParams", "config.boot.loader.grub.enable", "config.boot.loader.systemd-boot.enable",
	"config.environment.systemPackages", "config.fileSystems", "config.i18n.defaultLocale", "config.networking.domain", "config.networking.firewall.allowedTCPPorts",
	"config.networking.firewall.allowedUDPPorts", "config.networking.firewall.enable", "config.networking.fqdn", "config.networking.hostName", "config.networking.interfaces",
	"config.networking.nameservers", "config.nix.settings", "config.nixpkgs.hostPlatform.system", "config.security.sudo.enable", "config.services.openssh.enable", "config.services.openssh.ports",
	"config.services.openssh.settings", "config.swapDevices", "config.system.build.toplevel", "config.system.nixos.release", "config.system.nixos.version", "config.system.stateVersion",
	"config.systemd.services", "config.time.timeZone", "config.users.users",
}

// beginning returns those of some words that begin with another, each once.
func beginning(words []string, with string) []string {
	found := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, with) })
	slices.Sort(found)
	return slices.Compact(found)
}

// suggestSelectors completes the last part of a selector.
func suggestSelectors(args []string, word string) []string {
	names := fleetNamesOf(args)
	cut := strings.LastIndexAny(word, ",&(!") + 1
	before, last := word[:cut], word[cut:]
	words := slices.Clone(names.Hosts)
	for _, tag := range names.Tags {
		words = append(words, "@"+tag)
	}
	for _, role := range names.Roles {
		words = append(words, "+"+role)
	}
	found := beginning(words, last)
	for i := range found {
		found[i] = before + found[i]
	}
	return found
}

// suggestHosts completes the name of a host.
func suggestHosts(args []string, word string) []string {
	_, where := namesAndInventory(args)
	return beginning(fleetNamesOf(where).Hosts, word)
}

// suggestInputs completes the name of an input.
func suggestInputs(args []string, word string) []string {
	_, where := namesAndInventory(args)
	return beginning(fleetNamesOf(where).Inputs, word)
}

// suggestOptions completes the path of an option, a name at a time.
func suggestOptions(args []string, word string) []string {
	all := append(slices.Clone(fleetNamesOf(args).Options), commonOptions...)
	return nextNames(all, word)
}

// nextNames completes a path by its next name.
func nextNames(paths []string, word string) []string {
	var next []string
	for _, p := range paths {
		if !strings.HasPrefix(p, word) {
			continue
		}
		if dot := strings.IndexByte(p[len(word):], '.'); dot >= 0 {
			p = p[:len(word)+dot+1]
		}
		next = append(next, p)
	}
	slices.Sort(next)
	return slices.Compact(next)
}

// suggestRuns completes the name of a run, the newest first.
func suggestRuns(args []string, word string) []string {
	dir, err := fleetDir(args)
	if err != nil {
		return nil
	}
	journals, err := exec.Journals(stateDir(dir, "runs"))
	if err != nil {
		return nil
	}
	var runs []string
	for _, name := range slices.Backward(journals) {
		if run := exec.RunOf(name); strings.HasPrefix(run, word) {
			runs = append(runs, run)
		}
	}
	return runs
}

// suggestedArgs are what the arguments of a verb can be, by their names in its usage.
// Others are files.
var suggestedArgs = map[string]func(args []string, word string) []string{
	"HOST":  suggestHosts,
	"NODE":  suggestHosts,
	"INPUT": suggestInputs,
	"RUN":   suggestRuns,
	"SECRET": func(_ []string, word string) []string {
		return beginning(fleetNamesOf(nil).Secrets, word)
	},
	"PATH": func(_ []string, word string) []string {
		return nextNames(fleetNamesOf(nil).Paths, word)
	},
}

// completeArgs completes the arguments of a verb, as its usage names them.
func completeArgs(use string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	var names []string
	repeated := ""
	for _, word := range strings.Fields(use) {
		name := strings.Trim(word, "[].")
		if name == strings.ToUpper(name) && name != "" && word != "--" {
			names = append(names, name)
			if strings.Contains(word, "...") {
				repeated = name
			}
		}
	}
	return func(_ *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
		at := repeated
		if len(args) < len(names) && (repeated == "" || len(args) == 0) {
			at = names[len(args)]
		}
		if suggest := suggestedArgs[at]; suggest != nil {
			directive := cobra.ShellCompDirectiveNoFileComp
			if at == "PATH" {
				directive |= cobra.ShellCompDirectiveNoSpace
			}
			if found := suggest(args, word); len(found) > 0 || cmp.Or(at, "PATH") == "PATH" {
				return found, directive
			}
		}
		return nil, cobra.ShellCompDirectiveDefault
	}
}
