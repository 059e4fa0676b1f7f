package cmd

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
)

// A docBlock is a fenced block of a page of the documentation. Comments before it say what a
// reader need not see:
//
//	<!-- run                the lines up to --> are run before it, as those of testdata/script
//	<!-- file hosts.cue --> the block is the content of this file
//	<!-- exit 3 -->         the exit status of its last command
//	<!-- not run: why -->   the block is not run
//
// In a block of the language console, a line that begins with "$ " is a command, which may
// go on in lines that begin with "> ", and "web1# " is the prompt of a host. The other
// lines are what the command prints; a line with only … stands for any lines. Lines of
// progress are left out. A block of the language sh is a script.
type docBlock struct {
	line   int
	lang   string
	text   []string
	script []string
	file   string
	status int
	notRun string
}

// A docPage is a page of the documentation with its blocks.
type docPage struct {
	name   string
	lines  []string
	blocks []docBlock
}

// docPages reads README.md and the pages of examples/docs. The reference is tested by
// package examples.
func docPages(t *testing.T) []*docPage {
	t.Helper()
	names, err := filepath.Glob("../examples/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var pages []*docPage
	for _, name := range append([]string{"../README.md"}, names...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		p := &docPage{name: name, lines: strings.Split(string(text), "\n")}
		if err := p.parse(); err != nil {
			t.Fatalf("%s:%v", name, err)
		}
		pages = append(pages, p)
	}
	return pages
}

var docOrder = regexp.MustCompile(`^<!-- (file|exit|not run:) (.*) -->$`)

// parse finds the blocks of a page.
func (p *docPage) parse() error {
	next := docBlock{}
	for i := 0; i < len(p.lines); i++ {
		line := p.lines[i]
		switch order := docOrder.FindStringSubmatch(line); {
		case order != nil && order[1] == "file":
			next.file = order[2]
		case order != nil && order[1] == "exit":
			fmt.Sscan(order[2], &next.status)
		case order != nil:
			next.notRun = order[2]
		case line == "<!-- run":
			for i++; i < len(p.lines) && p.lines[i] != "-->"; i++ {
				next.script = append(next.script, p.lines[i])
			}
		case strings.HasPrefix(line, "```"):
			next.line, next.lang = i+1, strings.TrimPrefix(line, "```")
			for i++; i < len(p.lines) && p.lines[i] != "```"; i++ {
				next.text = append(next.text, p.lines[i])
			}
			if i == len(p.lines) {
				return fmt.Errorf("%d: the block does not end", next.line)
			}
			p.blocks = append(p.blocks, next)
			next = docBlock{}
		}
	}
	return nil
}

// isCommands reports whether the block has commands.
func (b *docBlock) isCommands() bool { return b.lang == "console" || b.lang == "sh" }

// Every command of the documentation does what the page says, on machines of a lab where it
// takes machines. -update writes what they print into the pages.
func TestDocsAreTrue(t *testing.T) {
	dir := t.TempDir()
	pages := map[string]*docPage{}
	p := scriptParams()
	for _, page := range docPages(t) {
		script, ok := page.script()
		if !ok {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(page.name), ".md")
		pages[name] = page
		file := filepath.Join(dir, name+".txtar")
		if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
			t.Fatal(err)
		}
		p.Files = append(p.Files, file)
	}
	p.Cmds["block"] = func(ts *testscript.TestScript, neg bool, args []string) {
		var i int
		fmt.Sscan(args[1], &i)
		pages[args[0]].runBlock(ts, &pages[args[0]].blocks[i])
	}
	t.Cleanup(func() {
		if !*update {
			return
		}
		for _, page := range pages {
			if err := os.WriteFile(page.name, []byte(page.text()), 0o644); err != nil {
				t.Error(err)
			}
		}
	})
	t.Run("pages", func(t *testing.T) { testscript.Run(t, p) })
}

// script is the page as a script of testscript; false if nothing of it is run.
func (p *docPage) script() (string, bool) {
	var b strings.Builder
	runs := false
	for i, block := range p.blocks {
		for _, line := range block.script {
			if strings.HasPrefix(line, "lab ") {
				fmt.Fprintln(&b, "[!lab] skip 'needs Linux and root'")
			}
			fmt.Fprintln(&b, line)
		}
		if block.file != "" || block.isCommands() && block.notRun == "" {
			fmt.Fprintf(&b, "block %s %d\n", strings.TrimSuffix(filepath.Base(p.name), ".md"), i)
			runs = runs || block.file == ""
		}
	}
	return b.String(), runs
}

// text is the page with its blocks as they are now.
func (p *docPage) text() string {
	var lines []string
	from := 0
	for _, b := range p.blocks {
		lines = append(append(lines, p.lines[from:b.line]...), b.text...)
		for from = b.line; p.lines[from] != "```"; from++ {
		}
	}
	return strings.Join(append(lines, p.lines[from:]...), "\n")
}

// runBlock writes the file that a block is, or runs its commands.
func (p *docPage) runBlock(ts *testscript.TestScript, b *docBlock) {
	switch {
	case b.file != "":
		name := ts.MkAbs(b.file)
		ts.Check(os.MkdirAll(filepath.Dir(name), 0o755))
		ts.Check(os.WriteFile(name, []byte(strings.Join(b.text, "\n")+"\n"), 0o644))
	case b.lang == "sh":
		if out, status := shellOf(ts, "set -e\n"+strings.Join(b.text, "\n")); status != b.status {
			ts.Fatalf("%s:%d: exit status %d:\n%s", p.name, b.line, status, out)
		}
	default:
		p.runConsole(ts, b)
	}
}

var docPrompt = regexp.MustCompile(`^(?:([a-z0-9]+)# |\$ )(.*)$`)

// runConsole runs the commands of a block one after the other, and compares what they print.
func (p *docPage) runConsole(ts *testscript.TestScript, b *docBlock) {
	var said []string
	for i := 0; i < len(b.text); {
		prompt := docPrompt.FindStringSubmatch(b.text[i])
		if prompt == nil {
			ts.Fatalf("%s:%d: want a line that begins with $", p.name, b.line+1+i)
		}
		said = append(said, b.text[i])
		command, line := prompt[2], b.line+1+i
		for i++; i < len(b.text) && strings.HasPrefix(b.text[i], "> "); i++ {
			said = append(said, b.text[i])
			command += "\n" + strings.TrimPrefix(b.text[i], "> ")
		}
		first := i
		for i < len(b.text) && !docPrompt.MatchString(b.text[i]) {
			i++
		}
		want := b.text[first:i]
		out, status := p.runCommand(ts, prompt[1], command)
		if wanted := b.status; status != wanted && (i == len(b.text) || status != 0) {
			ts.Fatalf("%s:%d: %s: exit status %d, want %d:\n%s", p.name, line, command, status, wanted, strings.Join(out, "\n"))
		}
		if !sameOutput(want, out) {
			if !*update {
				ts.Logf("%s:%d: %s prints another text (-page +now):\n%s", p.name, line, command, cmp.Diff(likeOutput(want), likeOutput(out)))
				ts.Fatalf("%s:%d: go test ./cmd -run TestDocsAreTrue -update writes it", p.name, line)
			}
			want = out
		}
		said = append(said, want...)
	}
	b.text = said
}

// runCommand runs a command on a host, or here.
func (p *docPage) runCommand(ts *testscript.TestScript, host, command string) ([]string, int) {
	var out string
	status := 0
	if dir, ok := strings.CutPrefix(command, "cd "); ok && host == "" {
		ts.Check(ts.Chdir(dir))
	} else if host != "" {
		var err error
		if out, err = labOf(ts).Host(host).Run(context.Background(), "sh", "-c", command); err != nil {
			status = 1
		}
	} else {
		out, status = shellOf(ts, command)
	}
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(out, ts.Getenv("WORK"), "/home/anna")) {
		if line = strings.TrimRight(line, " \n"); !isProgress.MatchString(line) || strings.Contains(command, "logs") {
			lines = append(lines, line)
		}
	}
	return lines, status
}

// isProgress matches the lines that say in a pipe how far a run is.
var isProgress = regexp.MustCompile(`^\d\d:\d\d:\d\d `)

// shellOf runs a command by a shell, and returns what it prints and its exit status.
func shellOf(ts *testscript.TestScript, command string) (string, int) {
	err := ts.Exec("sh", "-c", "exec 2>&1\n"+command)
	status := 0
	if err != nil {
		status = 1
		fmt.Sscanf(err.Error(), "exit status %d", &status)
	}
	return ts.ReadFile("stdout"), status
}

// differingHere is what differs from one machine to the next, besides what differs from one
// run to the next.
var differingHere = []struct{ from, to string }{
	{`adopted: .*`, "adopted"},
}

// likeOutput is what a command prints without what differs from one run to the next.
func likeOutput(lines []string) string {
	text := strings.Join(lines, "\n")
	for _, d := range append(slices.Clone(differing), differingHere...) {
		text = regexp.MustCompile(d.from).ReplaceAllString(text, d.to)
	}
	return regexp.MustCompile(` {2,}`).ReplaceAllString(text, " ")
}

// sameOutput reports whether a page shows what a command has printed.
func sameOutput(page, printed []string) bool {
	parts := strings.Split("\n"+likeOutput(page)+"\n", "\n…\n")
	rest := "\n" + likeOutput(printed) + "\n"
	if len(parts) == 1 {
		return parts[0] == rest
	}
	for i, part := range parts {
		if part != "\n" && part != "" && i > 0 {
			part = "\n" + part
		}
		at := strings.Index(rest, part)
		last := i == len(parts)-1
		if at < 0 || i == 0 && at > 0 || last && !strings.HasSuffix(rest, part) {
			return false
		}
		rest = rest[at+len(part):]
		if !last {
			rest = "\n" + rest
		}
	}
	return true
}

// What is not run is listed with the reason.
func TestDocsSayWhatIsNotRun(t *testing.T) {
	var b bytes.Buffer
	run := 0
	for _, page := range docPages(t) {
		reasons := map[string]int{}
		for _, block := range page.blocks {
			switch {
			case !block.isCommands():
			case block.notRun != "":
				reasons[block.notRun]++
			default:
				run++
			}
		}
		for _, why := range slices.Sorted(maps.Keys(reasons)) {
			fmt.Fprintf(&b, "%s: %d: %s\n", filepath.Base(page.name), reasons[why], why)
		}
	}
	t.Logf("%d blocks of commands are run", run)
	const name = "testdata/docs/not-run.txt"
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s: go test ./cmd -run TestDocsSayWhatIsNotRun -update rewrites it (-want +got):\n%s", name, diff)
	}
}

// missingInDocs matches what vet may say of an inventory in a page: that files and hosts are
// missing, and that … is no value.
var missingInDocs = regexp.MustCompile(`…|no such (file|directory)|cannot be read|no flake\.nix|no host named|no host has the tag|missing field "hosts"|missing field: want master or masters|is not base64|nixpkgs is not pinned`)

// The inventories of the documentation have no fields that do not exist and no values that are
// wrong.
func TestInventoriesOfDocsAreValid(t *testing.T) {
	checked := 0
	for _, page := range docPages(t) {
		for _, b := range page.blocks {
			if b.lang != "cue" && b.lang != "toml" && b.lang != "yaml" {
				continue
			}
			checked++
			dir := t.TempDir()
			name := filepath.Join(dir, "hosts."+b.lang)
			if err := os.WriteFile(name, []byte(strings.Join(b.text, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			Run(t.Context(), []string{"vet", name}, nil, &out, &out)
			for line := range strings.Lines(out.String()) {
				if !strings.HasPrefix(line, dir) || strings.Contains(line, ": warning: ") || missingInDocs.MatchString(line) {
					continue
				}
				t.Errorf("%s:%d: %s", page.name, b.line, strings.TrimPrefix(line, dir+"/"))
			}
		}
	}
	if checked == 0 {
		t.Error("no page has an inventory")
	}
}

// A page that shows another text than a command prints is found.
func TestSameOutput(t *testing.T) {
	for _, tt := range []struct {
		name          string
		page, printed string
		same          bool
	}{
		{"nothing", "", "", true},
		{"equal", "a\nb", "a\nb", true},
		{"another line", "a\nb", "a\nc", false},
		{"a line more", "a", "a\nb", false},
		{"a line less", "a\nb", "a", false},
		{"other times", "a in 2.0 s", "a in 31.7 s", true},
		{"other store paths", "3835jw02…-x", "grx4lnx1…-x", true},
		{"other numbers", "3 hosts", "4 hosts", false},
		{"the middle left out", "a\n…\nd", "a\nb\nc\nd", true},
		{"nothing left out", "a\n…\nd", "a\nd", true},
		{"the end left out", "a\n…", "a\nb\nc", true},
		{"the beginning left out", "…\nd", "b\nc\nd", true},
		{"all left out", "…", "b\nc\nd", true},
		{"another beginning", "a\n…\nd", "b\nc\nd", false},
		{"another end", "a\n…\nd", "a\nc\nx", false},
		{"part of a line at the end", "…\nd", "b\nad", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			split := func(text string) []string {
				if text == "" {
					return nil
				}
				return strings.Split(text, "\n")
			}
			if got := sameOutput(split(tt.page), split(tt.printed)); got != tt.same {
				t.Errorf("got %v, want %v", got, tt.same)
			}
		})
	}
}
