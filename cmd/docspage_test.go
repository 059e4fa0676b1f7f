package cmd

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	gmhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

var docsDir = flag.String("docs", "", "a `directory` that the documentation is written to as one page, with pictures of a session")

// moreDocs are read with the pages of examples/docs.
var moreDocs = []string{"../examples/README.md", "../schema/nix-in-cue.md", "../exec/FAULTS.md", "../exec/SSH.md", "../exec/secret/ATTACKS.md"}

// A markdown is a page with the syntax tree of its text.
type markdown struct {
	file   string
	source []byte
	root   ast.Node
	title  string
	anchor map[ast.Node]string // of each heading
}

var markdownParser = goldmark.New(goldmark.WithExtensions(extension.Table), goldmark.WithRendererOptions(gmhtml.WithUnsafe(), renderer.WithNodeRenderers(util.Prioritized(noComments{}, 1))))

// noComments renders no HTML of a page: all of it is comments.
type noComments struct{}

func (noComments) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindHTMLBlock, func(util.BufWriter, []byte, ast.Node, bool) (ast.WalkStatus, error) {
		return ast.WalkSkipChildren, nil
	})
}

// markdowns reads the files of the documentation.
func markdowns(t *testing.T) []*markdown {
	t.Helper()
	names, err := filepath.Glob("../examples/docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all []*markdown
	for _, name := range slices.Concat([]string{"../README.md", "../examples/docs/tour.md"}, slices.DeleteFunc(names, func(n string) bool { return n == "../examples/docs/tour.md" }), moreDocs) {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		m := &markdown{file: name, source: source, anchor: map[ast.Node]string{}}
		m.root = markdownParser.Parser().Parse(text.NewReader(source))
		m.findHeadings()
		all = append(all, m)
	}
	return all
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}\-_ ]`)

// findHeadings gives each heading the anchor that forges give it.
func (m *markdown) findHeadings() {
	seen := map[string]int{}
	ast.Walk(m.root, func(n ast.Node, in bool) (ast.WalkStatus, error) {
		h, ok := n.(*ast.Heading)
		if !ok || !in {
			return ast.WalkContinue, nil
		}
		words := plainText(h, m.source)
		if h.Level == 1 && m.title == "" {
			m.title = words
		}
		a := strings.ReplaceAll(notInAnchors.ReplaceAllString(strings.ToLower(words), ""), " ", "-")
		seen[a]++
		if seen[a] > 1 {
			a = fmt.Sprintf("%s-%d", a, seen[a]-1)
		}
		m.anchor[h] = a
		return ast.WalkContinue, nil
	})
}

// plainText is the text of a node without what marks it.
func plainText(n ast.Node, source []byte) string {
	var b strings.Builder
	ast.Walk(n, func(n ast.Node, in bool) (ast.WalkStatus, error) {
		if t, ok := n.(*ast.Text); ok && in {
			b.Write(t.Segment.Value(source))
		}
		return ast.WalkContinue, nil
	})
	return b.String()
}

// links are the links and pictures of a page, with what changes where each leads.
func (m *markdown) links(f func(n ast.Node, to string)) {
	var found []ast.Node
	ast.Walk(m.root, func(n ast.Node, in bool) (ast.WalkStatus, error) {
		if in && (n.Kind() == ast.KindLink || n.Kind() == ast.KindImage) {
			found = append(found, n)
		}
		return ast.WalkContinue, nil
	})
	for _, n := range found {
		switch n := n.(type) {
		case *ast.Link:
			f(n, string(n.Destination))
		case *ast.Image:
			f(n, string(n.Destination))
		}
	}
}

// hasAnchor reports whether a heading of the page has an anchor.
func (m *markdown) hasAnchor(a string) bool {
	for _, there := range m.anchor {
		if there == a {
			return true
		}
	}
	return false
}

// Links of the documentation lead somewhere: to a file, and to a heading in it.
func TestLinksOfDocsLeadSomewhere(t *testing.T) {
	all := markdowns(t)
	checked := 0
	for _, m := range all {
		m.links(func(_ ast.Node, to string) {
			if strings.Contains(to, "://") {
				return
			}
			checked++
			file, anchor, _ := strings.Cut(to, "#")
			name := m.file
			if file != "" {
				name = filepath.Join(filepath.Dir(m.file), file)
			}
			if _, err := os.Stat(name); err != nil {
				t.Errorf("%s: %s: %v", m.file, to, err)
				return
			}
			i := slices.IndexFunc(all, func(o *markdown) bool { return o.file == name })
			if anchor != "" && (i < 0 || !all[i].hasAnchor(anchor)) {
				t.Errorf("%s: %s: there is no such heading", m.file, to)
			}
		})
	}
	// A page that nothing leads to is not found.
	for _, m := range all[1:] {
		if !slices.ContainsFunc(all, func(o *markdown) bool {
			found := false
			o.links(func(_ ast.Node, to string) {
				file, _, _ := strings.Cut(to, "#")
				found = found || o != m && filepath.Join(filepath.Dir(o.file), file) == m.file
			})
			return found
		}) {
			t.Errorf("no page has a link to %s", m.file)
		}
	}
	t.Logf("%d links", checked)
}

// A part of the page is one file.
type docPart struct {
	ID, Title string
	Body      template.HTML
}

// id is the anchor of a file in the page.
func (m *markdown) id() string {
	return strings.ReplaceAll(strings.TrimSuffix(strings.TrimPrefix(m.file, "../"), ".md"), "/", "-")
}

// docsPage is the documentation as one page of HTML, which needs no other file.
func docsPage(t *testing.T) []byte {
	t.Helper()
	all := markdowns(t)
	var parts []docPart
	for _, m := range all {
		for h, a := range m.anchor {
			h.SetAttributeString("id", []byte(m.id()+"--"+a))
		}
		m.links(func(n ast.Node, to string) { m.relink(t, all, n, to) })
		var b bytes.Buffer
		if err := markdownParser.Renderer().Render(&b, m.source, m.root); err != nil {
			t.Fatal(err)
		}
		body := strings.NewReplacer("<table>", `<div class="table" tabindex="0"><table>`, "</table>", "</table></div>", "<pre>", `<pre tabindex="0">`).Replace(b.String())
		parts = append(parts, docPart{m.id(), m.title, template.HTML(body)})
	}
	page := template.Must(template.ParseFiles("testdata/docs/page.html"))
	var b bytes.Buffer
	if err := page.Execute(&b, parts); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// relink has a link lead to the place in the page, and a picture be in it. A link to what the
// page has not becomes its text.
func (m *markdown) relink(t *testing.T, all []*markdown, n ast.Node, to string) {
	t.Helper()
	if strings.Contains(to, "://") {
		return
	}
	file, anchor, _ := strings.Cut(to, "#")
	name := m.file
	if file != "" {
		name = filepath.Join(filepath.Dir(m.file), file)
	}
	if image, ok := n.(*ast.Image); ok {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		image.Destination = []byte("data:image/svg+xml;base64," + base64.StdEncoding.EncodeToString(data))
		return
	}
	i := slices.IndexFunc(all, func(o *markdown) bool { return o.file == name })
	if i < 0 {
		for c := n.FirstChild(); c != nil; c = n.FirstChild() {
			n.Parent().InsertBefore(n.Parent(), n, c)
		}
		n.Parent().RemoveChild(n.Parent(), n)
		return
	}
	to = "#" + all[i].id()
	if anchor != "" {
		to += "--" + anchor
	}
	n.(*ast.Link).Destination = []byte(to)
}

// The documentation is one page: it asks for no other file, and its links lead to places in it.
// -docs DIR writes it, and pictures of a session.
func TestDocsAreOnePage(t *testing.T) {
	page := docsPage(t)
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(`\bid="([^"]*)"`).FindAllSubmatch(page, -1) {
		if ids[string(id[1])] {
			t.Errorf("the id %s occurs twice", id[1])
		}
		ids[string(id[1])] = true
	}
	for _, to := range regexp.MustCompile(`(?:href|src)="([^"]*)"`).FindAllSubmatch(page, -1) {
		switch to := string(to[1]); {
		case strings.HasPrefix(to, "data:") || strings.HasPrefix(to, "https://"):
		case !strings.HasPrefix(to, "#") || !ids[to[1:]]:
			t.Errorf("a link leads to %s", to)
		}
	}
	if bytes.Contains(page, []byte(`src="http`)) || bytes.Contains(page, []byte("raw HTML")) {
		t.Error("the page asks for another file, or has HTML of its own")
	}
	if *docsDir == "" {
		return
	}
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(*docsDir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("muster.html", page)
	screens := tourScreens(t)
	write("session.svg", picture(screens))
	for _, s := range screens {
		write(s.name+".svg", picture([]screen{s}))
	}
}
