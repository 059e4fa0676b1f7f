package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	osexec "os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A browser is a Chromium without a window, driven over pipes by its DevTools protocol:
// messages of JSON with a zero byte behind each.
type browser struct {
	t       *testing.T
	in      *os.File
	mu      sync.Mutex
	next    int
	waiting map[int]chan reply
	tabs    map[string]*tab
}

// A message is what the browser is told, or says.
type message struct {
	ID        int                       `json:"id,omitempty"`
	Session   string                    `json:"sessionId,omitempty"`
	Method    string                    `json:"method,omitempty"`
	Params    any                       `json:"params,omitempty"`
	Result    json.RawMessage           `json:"result,omitempty"`
	Error     *struct{ Message string } `json:"error,omitempty"`
	RawParams json.RawMessage           `json:"-"`
}

type reply struct {
	result json.RawMessage
	err    error
}

// startBrowser starts the browser, which ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := osexec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: install it with apt-get install chromium", err)
	}
	inRead, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, outWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := osexec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-pipe",
		"--user-data-dir="+t.TempDir(), "--no-first-run", "--disable-background-networking", "--disable-component-update", "--force-device-scale-factor=1", "about:blank")
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	cmd.ExtraFiles = []*os.File{inRead, outWrite}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	inRead.Close()
	outWrite.Close()
	b := &browser{t: t, in: in, waiting: map[int]chan reply{}, tabs: map[string]*tab{}}
	done := make(chan struct{})
	go func() { defer close(done); b.listen(out) }()
	t.Cleanup(func() {
		b.send("", "Browser.close", nil)
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
		}
		cmd.Wait()
		in.Close()
		out.Close()
	})
	return b
}

// listen takes what the browser says until it ends.
func (b *browser) listen(out *os.File) {
	r := bufio.NewReaderSize(out, 1<<20)
	for {
		text, err := r.ReadBytes(0)
		if err != nil {
			b.mu.Lock()
			for _, w := range b.waiting {
				w <- reply{err: err}
			}
			b.waiting = map[int]chan reply{}
			b.mu.Unlock()
			return
		}
		var m struct {
			message
			Params json.RawMessage `json:"params"`
		}
		if json.Unmarshal(text[:len(text)-1], &m) != nil {
			continue
		}
		b.mu.Lock()
		waiting, page := b.waiting[m.ID], b.tabs[m.Session]
		delete(b.waiting, m.ID)
		b.mu.Unlock()
		switch {
		case waiting != nil && m.Error != nil:
			waiting <- reply{err: fmt.Errorf("%s", m.Error.Message)}
		case waiting != nil:
			waiting <- reply{result: m.Result}
		case page != nil:
			page.event(m.Method, m.Params)
		}
	}
}

// send sends a command, whose answer comes to the channel.
func (b *browser) send(session, method string, params any) chan reply {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	text, err := json.Marshal(message{ID: b.next, Session: session, Method: method, Params: params})
	if err != nil {
		panic(err)
	}
	answer := make(chan reply, 1)
	b.waiting[b.next] = answer
	if _, err := b.in.Write(append(text, 0)); err != nil {
		answer <- reply{err: err}
	}
	return answer
}

// call sends a command and waits for its answer.
func (b *browser) call(session, method string, params, result any) {
	b.t.Helper()
	select {
	case r := <-b.send(session, method, params):
		if r.err != nil {
			b.t.Fatalf("%s: %v", method, r.err)
		}
		if result != nil {
			if err := json.Unmarshal(r.result, result); err != nil {
				b.t.Fatalf("%s: %v", method, err)
			}
		}
	case <-time.After(2 * time.Minute):
		b.t.Fatalf("%s: no answer", method)
	}
}

// A tab shows one page.
type tab struct {
	*browser
	session string
	loaded  chan struct{}

	mu       sync.Mutex
	errors   []string // on the console
	requests []string // but for the page itself
}

type params = map[string]any

// open shows a page in a tab of a width, in light or dark.
func (b *browser) open(url string, width int, scheme string) *tab {
	b.t.Helper()
	var target struct{ TargetID string }
	b.call("", "Target.createTarget", params{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("", "Target.attachToTarget", params{"targetId": target.TargetID, "flatten": true}, &attached)
	p := &tab{browser: b, session: attached.SessionID, loaded: make(chan struct{}, 8)}
	b.mu.Lock()
	b.tabs[p.session] = p
	b.mu.Unlock()
	b.t.Cleanup(func() { b.send("", "Target.closeTarget", params{"targetId": target.TargetID}) })
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.do(domain+".enable", nil, nil)
	}
	p.do("Emulation.setDeviceMetricsOverride", params{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	p.do("Emulation.setEmulatedMedia", params{"features": []params{{"name": "prefers-color-scheme", "value": scheme}}}, nil)
	p.do("Page.navigate", params{"url": url}, nil)
	select {
	case <-p.loaded:
	case <-time.After(2 * time.Minute):
		b.t.Fatalf("%s is not loaded", url)
	}
	return p
}

func (p *tab) do(method string, params, result any) {
	p.t.Helper()
	p.call(p.session, method, params, result)
}

// event takes up what the page does by itself.
func (p *tab) event(method string, data json.RawMessage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch method {
	case "Page.loadEventFired":
		p.loaded <- struct{}{}
	case "Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded":
		p.errors = append(p.errors, string(data))
	case "Network.requestWillBeSent":
		var sent struct {
			Type, DocumentURL string
			Request           struct{ URL string }
		}
		json.Unmarshal(data, &sent)
		if sent.Type != "Document" && !strings.HasPrefix(sent.Request.URL, "data:") {
			p.requests = append(p.requests, sent.Request.URL)
		}
	}
}

// eval evaluates an expression, which may be a promise, in the page.
func (p *tab) eval(expression string, result any) {
	p.t.Helper()
	var r struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails *struct{ Exception struct{ Description string } }
	}
	p.do("Runtime.evaluate", params{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	if r.ExceptionDetails != nil {
		p.t.Fatalf("%.60s: %s", expression, r.ExceptionDetails.Exception.Description)
	}
	if result != nil {
		if err := json.Unmarshal(r.Result.Value, result); err != nil {
			p.t.Fatalf("%.60s: %v", expression, err)
		}
	}
}

// press presses a key and lets it go.
func (p *tab) press(key string, code int, text string) {
	p.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		what := params{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if kind == "keyDown" && text != "" {
			what["text"] = text
		}
		p.do("Input.dispatchKeyEvent", what, nil)
	}
}

// screenshot is the page as a PNG, as far as it is this high.
func (p *tab) screenshot(most int) []byte {
	p.t.Helper()
	var size struct{ W, H int }
	p.eval(`({W: document.documentElement.clientWidth, H: document.documentElement.scrollHeight})`, &size)
	// What is out of the window is not drawn.
	p.do("Emulation.setDeviceMetricsOverride", params{"width": size.W, "height": min(size.H, most), "deviceScaleFactor": 1, "mobile": false}, nil)
	var shot struct{ Data []byte }
	p.do("Page.captureScreenshot", params{"captureBeyondViewport": true, "clip": params{"x": 0, "y": 0, "width": size.W, "height": min(size.H, most), "scale": 1}}, &shot)
	return shot.Data
}
