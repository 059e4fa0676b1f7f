package report

import (
	"bytes"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	axeFile     = flag.String("axe", "", "check the page with this `file`, axe.min.js of the npm package axe-core")
	screenshots = flag.String("screenshots", "", "put pictures of the page into this `directory`")
	timed       = flag.Bool("timed", false, "fail where a page takes 2 s to open, also that of 50,000 hosts")
)

// pageOf writes a page to a file, and returns its address.
func pageOf(t *testing.T, hosts int) (address string, size int) {
	t.Helper()
	var text bytes.Buffer
	if err := sampleReport(hosts).Write(&text, Options{Version: "1.0", Zone: time.UTC}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), fmt.Sprintf("report-%d.html", hosts))
	if err := os.WriteFile(name, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return (&url.URL{Scheme: "file", Path: name}).String(), text.Len()
}

// The page opens in a browser without an error and without a request, at the width of a
// phone and of a large screen, in light and dark.
func TestInABrowser(t *testing.T) {
	b := startBrowser(t)
	sizes := []int{3, 40, 1000, 3000}
	if *timed {
		sizes = append(sizes, 50_000)
	}
	for _, hosts := range sizes {
		address, size := pageOf(t, hosts)
		for _, width := range []int{400, 1600} {
			for _, scheme := range []string{"light", "dark"} {
				if hosts >= 1000 && *axeFile == "" && (width < 1000) != (scheme == "dark") {
					continue // colours are not looked at
				}
				t.Run(fmt.Sprintf("%d hosts %d px %s", hosts, width, scheme), func(t *testing.T) {
					p := b.open(address, width, scheme)
					p.t = t
					p.checkOpening(size)
					p.checkLayout()
					p.savePicture(fmt.Sprintf("%d-%d-%s.png", hosts, width, scheme))
					if *axeFile != "" {
						p.checkAccess()
					}
					p.mu.Lock()
					defer p.mu.Unlock()
					if len(p.errors) > 0 || len(p.requests) > 0 {
						t.Errorf("on the console: %s\nrequests: %s", p.errors, p.requests)
					}
				})
			}
		}
	}
}

// checkOpening logs what opening took, and checks it where that was asked for.
func (p *tab) checkOpening(size int) {
	var took float64
	p.eval(`new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(Math.max(
		performance.getEntriesByType("navigation")[0].loadEventEnd, ...performance.getEntriesByType("paint").map((e) => e.startTime))))))`, &took)
	p.t.Logf("%d kB are shown after %.0f ms", size/1000, took)
	if *timed && took > 2000 {
		p.t.Errorf("it takes %.0f ms", took)
	}
}

// findClipped finds what does not fit: a page that scrolls sideways, and texts that are
// cut off or reach out of the window. Of very many hosts, the first are looked at.
const findClipped = `(() => {
	const found = [], width = document.documentElement.clientWidth;
	if (document.documentElement.scrollWidth > width) found.push("the page is " + document.documentElement.scrollWidth + " wide");
	for (const e of document.querySelectorAll("body *:not(.host:nth-child(n+60) *)")) {
		if (!e.checkVisibility() || e.closest(".unseen, .jump, script") || ![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())) continue;
		const r = e.getBoundingClientRect(), where = e.tagName + "." + e.getAttribute("class") + " " + e.textContent.slice(0, 40);
		if (r.right > width + 1 || r.left < -1) found.push("out of the window: " + where);
		if (!(e instanceof SVGElement) && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== "visible") found.push("cut off: " + where);
	}
	return found.slice(0, 10);
})()`

func (p *tab) checkLayout() {
	var found []string
	p.eval(findClipped, &found)
	if len(found) > 0 {
		p.t.Errorf("does not fit:\n%s", strings.Join(found, "\n"))
	}
}

// checkAccess has axe look at the page, with all hosts unfolded where they are not many.
// Of very many, which are alike, it looks at the first.
func (p *tab) checkAccess() {
	text, err := os.ReadFile(*axeFile)
	if err != nil {
		p.t.Fatal(err)
	}
	p.eval(string(text)+"\n;0", nil)
	var found []string
	p.eval(`(async () => {
		if (document.querySelectorAll(".host").length < 100) document.getElementById("fold").click();
		for (const h of document.querySelectorAll(".host:nth-child(n+40)")) h.remove();
		const r = await axe.run(document, {resultTypes: ["violations"]});
		return r.violations.map((v) => v.id + ": " + v.help + ": " + v.nodes.slice(0, 3).map((n) => n.target + " " + n.failureSummary).join("; "));
	})()`, &found)
	if len(found) > 0 {
		p.t.Errorf("axe:\n%s", strings.Join(found, "\n"))
	}
}

func (p *tab) savePicture(name string) {
	if *screenshots == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*screenshots, name), p.screenshot(5000), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// Everything that can be used is reached with the tabulator, and opened with Enter.
func TestByKeyboard(t *testing.T) {
	b := startBrowser(t)
	address, _ := pageOf(t, 3)
	p := b.open(address, 1200, "light")
	var want int
	p.eval(`document.querySelectorAll("a[href], summary, button, input, select, [tabindex='0']").values().filter((e) => e.checkVisibility()).toArray().length`, &want)
	seen := map[string]bool{}
	for range 2 * want {
		p.press("Tab", 9, "")
		var at string
		p.eval(`(() => {
			const e = document.activeElement;
			if (e === document.body) return "";
			if (e.closest(".host > summary") && !e.parentElement.open) e.parentElement.dataset.focused = "1";
			return [...document.querySelectorAll("*")].indexOf(e) + "";
		})()`, &at)
		if at != "" {
			seen[at] = true
		}
	}
	if len(seen) != want {
		t.Errorf("the tabulator reaches %d of %d elements", len(seen), want)
	}
	p.eval(`document.querySelector(".host > summary").focus()`, nil)
	p.press("Enter", 13, "\r")
	var open bool
	p.eval(`document.querySelector(".host").open`, &open)
	if !open {
		t.Error("Enter does not unfold a host")
	}
}

// The script finds and sorts hosts, and a link to a host unfolds it.
func TestScript(t *testing.T) {
	b := startBrowser(t)
	address, _ := pageOf(t, 40)
	p := b.open(address, 1200, "light")
	var got []string
	shown := `[...document.querySelectorAll(".host")].filter((h) => !h.hidden).map((h) => h.querySelector(".name").textContent)`
	p.eval(`(() => { const f = document.getElementById("find"); f.value = "rolled back"; f.dispatchEvent(new Event("input")); return `+shown+`; })()`, &got)
	if strings.Join(got, " ") != "web2 mail33" {
		t.Errorf("rolled back: %q", got)
	}
	p.eval(`(() => { const f = document.getElementById("find"), o = document.getElementById("order");
		f.value = ""; f.dispatchEvent(new Event("input")); o.value = "bad"; o.dispatchEvent(new Event("change")); return `+shown+`; })()`, &got)
	if len(got) != 40 || got[0] != "db12" || got[1] != "web2" {
		t.Errorf("failed first: %q", got)
	}
	var open bool
	p.eval(`new Promise((done) => { document.querySelector(".failure a").click(); setTimeout(() => done(document.querySelector(location.hash).open), 100); })`, &open)
	if !open {
		t.Error("a link to a host does not unfold it")
	}
}
