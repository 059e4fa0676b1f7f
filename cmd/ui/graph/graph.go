// Package graph draws a fleet as an SVG: its hosts by wave and role, and the jump hosts
// on the way to them.
//
//	graph.Write(os.Stdout, graph.Fleet{Name: "shop", Hosts: hosts, Waves: plan.Waves()})
//
// The drawing has the machine that muster runs on at its left, then the jump hosts, then a
// band for each group of hosts that share wave, roles and jump:
//
//	            ┌ Wave 1 ──────────────────┐
//	this machine┼─▶ web    ▢ ▢ ▢ ▢         │
//	     └▶ bastion ─▶ db  ▢ ▢             │
//	            └──────────────────────────┘
//
// A line leads to a group, not to each of its hosts, so that it can be followed in a large
// fleet. The same fleet is drawn the same, byte for byte.
package graph

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"muster/exec/human"
	"muster/schema"
)

// A Fleet is what is drawn.
type Fleet struct {
	Name  string
	Hosts []*schema.Host
	Waves [][]string // the names of the hosts of each wave
}

// A group is the hosts that share wave, roles and jump.
type group struct {
	wave  int
	roles string
	jump  string // "" for none
	apart bool   // there is no way to them
	hosts []*schema.Host
	drawn int // hosts that have a cell; the others are counted in one more

	y, height int
}

// Sizes, in pixels.
const (
	width    = 1200
	margin   = 24
	nodeW    = 190 // of what is left of the waves
	bandX    = margin + nodeW + 90
	bandW    = width - bandX - margin
	titleW   = 150 // of the roles of a group
	cellH    = 26
	gap      = 8
	waveHead = 34
	mostText = 192 // of the text in a cell
)

// In a fleet of more than largeFleet hosts, so many of a group are drawn.
const (
	largeFleet = 2000
	mostDrawn  = 40
)

// Write draws a fleet.
func Write(w io.Writer, f Fleet) error {
	d := &drawing{groups: groupsOf(f), waves: len(f.Waves)}
	d.layOut()
	d.draw()
	_, err := w.Write(d.svg(f))
	return err
}

// groupsOf groups hosts, by wave and then in the order of the inventory.
func groupsOf(f Fleet) []*group {
	wave := map[string]int{}
	for i, names := range f.Waves {
		for _, name := range names {
			wave[name] = i
		}
	}
	var groups []*group
	for _, h := range f.Hosts {
		key := group{wave: wave[h.Name], roles: cmp.Or(strings.Join(h.Roles, ", "), "no role"), jump: jumpOf(h), apart: h.Unconnected}
		at := slices.IndexFunc(groups, func(g *group) bool {
			return g.wave == key.wave && g.roles == key.roles && g.jump == key.jump && g.apart == key.apart
		})
		if at < 0 {
			at = len(groups)
			groups = append(groups, &key)
		}
		groups[at].hosts = append(groups[at].hosts, h)
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(a.wave, b.wave) })
	for _, g := range groups {
		g.drawn = len(g.hosts)
		if len(f.Hosts) > largeFleet {
			g.drawn = min(g.drawn, mostDrawn)
		}
	}
	return groups
}

// jumpOf is the way to a host: its jump hosts, "" for none.
func jumpOf(h *schema.Host) string {
	if h.Jump == "none" {
		return ""
	}
	return strings.ReplaceAll(h.Jump, ",", " → ")
}

// cellWidth is the width of the cells of hosts, by the longest name.
func cellWidth(hosts []*schema.Host) int {
	longest := 32
	for _, h := range hosts {
		longest = max(longest, textWidth(h.Name))
	}
	return min(longest, mostText) + 20
}

// cells are how wide the cells of a group are, and how many fit beside each other.
func (g *group) cells() (cellW, perLine int) {
	cellW = cellWidth(g.hosts[:g.drawn])
	return cellW, max((bandW-titleW-2*gap)/(cellW+gap), 1)
}

// A drawing grows from top to bottom.
type drawing struct {
	groups []*group
	waves  int
	heads  []waveBox
	height int
	nodes  []*node

	lines, boxes bytes.Buffer
}

// A waveBox is around the groups of a wave.
type waveBox struct{ y, height, hosts int }

// A node is a machine on the way to groups.
type node struct {
	jump string // "" for this machine
	y    int    // of its middle
}

// layOut finds where everything is.
func (d *drawing) layOut() {
	y := 84
	for w := range d.waves {
		box := waveBox{y: y}
		y += waveHead
		for _, g := range d.groups {
			if g.wave != w {
				continue
			}
			_, perLine := g.cells()
			cells := g.drawn
			if cells < len(g.hosts) {
				cells++
			}
			lines := (cells + perLine - 1) / perLine
			g.y, g.height = y, lines*(cellH+gap)+gap
			y += g.height + gap
			box.hosts += len(g.hosts)
		}
		box.height = y - box.y
		d.heads = append(d.heads, box)
		y += 2 * gap
	}
	d.height = y + margin
	d.placeNodes()
}

// placeNodes puts this machine at the top, and each jump host beside its groups.
func (d *drawing) placeNodes() {
	d.nodes = []*node{{y: 110}}
	middle, n := map[string]int{}, map[string]int{}
	var jumps []string
	for _, g := range d.groups {
		if g.jump == "" || g.apart {
			continue
		}
		if n[g.jump] == 0 {
			jumps = append(jumps, g.jump)
		}
		middle[g.jump] += g.y + g.height/2
		n[g.jump]++
	}
	slices.SortStableFunc(jumps, func(a, b string) int { return cmp.Compare(middle[a]/n[a], middle[b]/n[b]) })
	last := d.nodes[0].y
	for _, jump := range jumps {
		y := max(middle[jump]/n[jump], last+64)
		d.nodes = append(d.nodes, &node{jump: jump, y: y})
		last = y
	}
	d.height = max(d.height, last+60)
}

// draw writes lines and boxes. Lines are below the boxes.
func (d *drawing) draw() {
	for i, n := range d.nodes {
		name, what := "this machine", "muster runs here"
		if n.jump != "" {
			name, what = n.jump, "jump host"
			// From this machine, at the left of the nodes between.
			x := margin - 10
			fmt.Fprintf(&d.lines, `<path class="way" d="M%d %dH%dV%dH%d" marker-end="url(#to)"/>`+"\n", margin, d.nodes[0].y, x, n.y, margin-2)
		}
		d.node(n, name, what, i == 0)
		d.ways(i, n)
	}
	for w, box := range d.heads {
		fmt.Fprintf(&d.boxes, `<rect class="wave" x="%d" y="%d" width="%d" height="%d" rx="10"/>`+"\n", bandX, box.y, bandW, box.height)
		title := fmt.Sprintf("Wave %d of %d", w+1, d.waves)
		if d.waves == 1 {
			title = "All at once"
		}
		fmt.Fprintf(&d.boxes, `<text class="head" x="%d" y="%d">%s<tspan class="soft" dx="10">%s</tspan></text>`+"\n", bandX+2*gap, box.y+23, title, human.Count(box.hosts, "host"))
	}
	jumps := map[string]bool{}
	for _, n := range d.nodes {
		for name := range strings.SplitSeq(n.jump, " → ") {
			jumps[name] = true
		}
	}
	for _, g := range d.groups {
		d.group(g, jumps)
	}
}

func (d *drawing) node(n *node, name, what string, self bool) {
	class := "node"
	if self {
		class += " self"
	}
	fmt.Fprintf(&d.boxes, `<g><title>%s: %s</title><rect class="%s" x="%d" y="%d" width="%d" height="44" rx="8"/>`, escape(name), what, class, margin, n.y-22, nodeW)
	fmt.Fprintf(&d.boxes, `<text class="name" x="%d" y="%d">%s</text><text class="soft" x="%d" y="%d">%s</text></g>`+"\n", margin+12, n.y-3, fitBold(name, nodeW-24), margin+12, n.y+14, what)
}

// ways lead from a node to its groups, along a line of its own between them.
func (d *drawing) ways(i int, n *node) {
	const left, right = margin + nodeW, bandX
	x := left + (i+1)*(right-left-12)/(len(d.nodes)+1)
	for _, g := range d.groups {
		if g.jump == n.jump && !g.apart {
			fmt.Fprintf(&d.lines, `<path class="way w%d" d="M%d %dH%dV%dH%d" marker-end="url(#to)"/>`+"\n", i%colours, left, n.y, x, g.y+g.height/2, right-2)
		}
	}
}

// colours is how many colours ways have.
const colours = 4

func (d *drawing) group(g *group, jumps map[string]bool) {
	fmt.Fprintf(&d.boxes, `<rect class="group" x="%d" y="%d" width="%d" height="%d" rx="6"/>`, bandX+gap, g.y, bandW-2*gap, g.height)
	fmt.Fprintf(&d.boxes, `<text class="role" x="%d" y="%d">%s<title>%s</title></text>`+"\n", bandX+2*gap, g.y+gap+17, fitBold(g.roles, titleW-gap), escape(g.roles))
	left := bandX + gap + titleW
	cellW, perLine := g.cells()
	at := func(i int) (x, y int) { return left + i%perLine*(cellW+gap), g.y + gap + i/perLine*(cellH+gap) }
	for i, h := range g.hosts[:g.drawn] {
		x, y := at(i)
		class := "host"
		if jumps[h.Name] {
			class += " jump"
		}
		fmt.Fprintf(&d.boxes, `<g><title>%s</title><rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5"/><text x="%d" y="%d">%s</text></g>`+"\n",
			escape(about(h, g)), class, x, y, cellW, cellH, x+10, y+18, fit(h.Name, cellW-20))
	}
	if more := len(g.hosts) - g.drawn; more > 0 {
		x, y := at(g.drawn)
		fmt.Fprintf(&d.boxes, `<text class="soft" x="%d" y="%d">and %s more</text>`+"\n", x, y+18, human.Count(more, "host"))
	}
}

// about is what a host is, in one line.
func about(h *schema.Host, g *group) string {
	parts := []string{cmp.Or(h.Address, "no address"), h.System, "roles: " + g.roles}
	if len(h.Tags) > 0 {
		parts = append(parts, "tags: "+strings.Join(h.Tags, ", "))
	}
	if g.jump != "" {
		parts = append(parts, "through "+g.jump)
	}
	parts = append(parts, fmt.Sprintf("wave %d", g.wave+1))
	return h.Name + ": " + strings.Join(parts, "; ")
}

const style = `
svg { color-scheme: light dark; }
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #1b1f24; }
.paper { fill: #f6f7f8; } .wave { fill: #fff; stroke: #d8dee4; } .group { fill: #f6f7f8; }
.title { font-size: 22px; font-weight: 700; } .head, .name { font-weight: 600; } .role { font-weight: 600; fill: #57606a; }
.soft { fill: #57606a; font-weight: 400; font-size: 12px; }
.host { fill: #e3eefb; stroke: #9dc1ea; } .jump { fill: #fdf0dc; stroke: #d9a514; }
.node { fill: #fdf0dc; stroke: #d9a514; } .self { fill: #fff; stroke: #57606a; }
.way { fill: none; stroke: #8b949e; stroke-width: 1.5; stroke-linejoin: round; } marker path { fill: context-stroke; }
.w1 { stroke: #b07d00; } .w2 { stroke: #2f81d6; } .w3 { stroke: #8a4fc4; }
@media (prefers-color-scheme: dark) {
  text { fill: #e7eaed; } .paper { fill: #111417; } .wave { fill: #1a1e22; stroke: #333a41; } .group { fill: #111417; }
  .role, .soft { fill: #a5afb9; } .host { fill: #16283c; stroke: #2f5a88; } .jump, .node { fill: #39290f; stroke: #a5741a; }
  .self { fill: #1a1e22; stroke: #a5afb9; }
  .way { stroke: #8b949e; } .w1 { stroke: #e0aa2a; } .w2 { stroke: #5ba4ee; } .w3 { stroke: #b48ade; }
}
`

// svg puts the drawing together.
func (d *drawing) svg(f Fleet) []byte {
	var b bytes.Buffer
	name := escape(f.Name)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title about">`+"\n", width, d.height, width, d.height)
	fmt.Fprintf(&b, `<title id="title">The fleet %s</title>`+"\n", name)
	fmt.Fprintf(&b, `<desc id="about">%s</desc>`+"\n", escape(d.words(f)))
	fmt.Fprintf(&b, "<style>%s</style>\n", style)
	b.WriteString(`<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>` + "\n")
	fmt.Fprintf(&b, `<rect class="paper" width="%d" height="%d"/>`+"\n", width, d.height)
	fmt.Fprintf(&b, `<text class="title" x="%d" y="48">%s<tspan class="soft" dx="14">%s, %s</tspan></text>`+"\n", margin, name, human.Count(len(f.Hosts), "host"), human.Count(d.waves, "wave"))
	b.Write(d.lines.Bytes())
	b.Write(d.boxes.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// words are the drawing for those who do not see it.
func (d *drawing) words(f Fleet) string {
	parts := []string{human.Count(len(f.Hosts), "host") + " in " + human.Count(d.waves, "wave")}
	for _, g := range d.groups {
		text := fmt.Sprintf("wave %d, %s: %s", g.wave+1, g.roles, human.Count(len(g.hosts), "host"))
		if g.jump != "" {
			text += " through " + g.jump
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// fit is a text that is cut where it is wider than some pixels.
func fit(text string, pixels int) string {
	text = human.Plain(text)
	if textWidth(text) <= pixels {
		return escape(text)
	}
	letters, width := []rune(text), letterWidth('…')
	for i, r := range letters {
		if width += letterWidth(r); width > pixels {
			return escape(string(letters[:max(i, 1)]) + "…")
		}
	}
	return escape(text)
}

// fitBold is fit for a bold text, whose letters are wider by an eighth.
func fitBold(text string, pixels int) string { return fit(text, pixels*8/9) }

// textWidth is how wide a text is at most, in pixels.
func textWidth(text string) (width int) {
	for _, r := range text {
		width += letterWidth(r)
	}
	return width
}

// letterWidth is how wide a letter is in the fonts of the style, which are 13 pixels high.
func letterWidth(r rune) int {
	switch {
	case r > 0x24f, strings.ContainsRune("mwMW@%…", r):
		return 13
	case 'A' <= r && r <= 'Z':
		return 10
	}
	return 8
}

func escape(text string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(human.Plain(text)))
	return b.String()
}
