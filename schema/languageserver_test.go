package schema

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A languageServer is a program that editors ask about a text, by the Language Server Protocol.
type languageServer struct {
	t        *testing.T
	in       io.Writer
	messages chan lspMessage
	last     int
	problems map[string][]lspProblem // by the file's URI
	config   any                     // what it is told when it asks for settings
}

type lspMessage struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

type lspProblem struct {
	Message string `json:"message"`
	Range   struct {
		Start struct{ Line, Character int } `json:"start"`
	} `json:"range"`
}

// startLanguageServer starts a server for the files of a directory.
func startLanguageServer(t *testing.T, dir string, config any, argv ...string) *languageServer {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CUE_REGISTRY=none", "CUE_CACHE_DIR="+filepath.Join(t.TempDir(), "cache"))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	s := &languageServer{t: t, in: in, messages: make(chan lspMessage, 100), problems: map[string][]lspProblem{}, config: config}
	go s.read(out)
	folder := map[string]any{"uri": fileURI(dir), "name": "fleet"}
	s.ask("initialize", map[string]any{
		"processId": os.Getpid(), "rootUri": fileURI(dir), "workspaceFolders": []any{folder},
		"capabilities": map[string]any{
			"workspace": map[string]any{"configuration": true, "workspaceFolders": true},
			"textDocument": map[string]any{
				"hover":              map[string]any{"contentFormat": []string{"markdown", "plaintext"}},
				"completion":         map[string]any{},
				"publishDiagnostics": map[string]any{},
			},
		},
	})
	s.tell("initialized", map[string]any{})
	return s
}

func fileURI(name string) string { return "file://" + name }

// read reads messages until the server ends.
func (s *languageServer) read(out io.Reader) {
	defer close(s.messages)
	r := bufio.NewReader(out)
	for {
		header, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			return
		}
		n, _ := strconv.Atoi(header.Get("Content-Length"))
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		var m lspMessage
		if json.Unmarshal(body, &m) == nil {
			s.messages <- m
		}
	}
}

func (s *languageServer) send(m map[string]any) {
	m["jsonrpc"] = "2.0"
	body, _ := json.Marshal(m)
	fmt.Fprintf(s.in, "Content-Length: %d\r\n\r\n%s", len(body), body)
}

func (s *languageServer) tell(method string, params any) {
	s.send(map[string]any{"method": method, "params": params})
}

// ask sends a request, and returns what the server answers.
func (s *languageServer) ask(method string, params any) json.RawMessage {
	s.t.Helper()
	s.last++
	id := strconv.Itoa(s.last)
	s.send(map[string]any{"id": s.last, "method": method, "params": params})
	var answer json.RawMessage
	s.await("an answer to "+method, func(m lspMessage) bool {
		answer = m.Result
		return m.Method == "" && string(m.ID) == id
	})
	return answer
}

// await reads messages until one is wanted. It answers what the server asks.
func (s *languageServer) await(what string, wanted func(lspMessage) bool) {
	s.t.Helper()
	end := time.After(time.Minute)
	for {
		select {
		case m, ok := <-s.messages:
			if !ok {
				s.t.Fatalf("the server has ended before %s", what)
			}
			s.answer(m)
			if wanted(m) {
				return
			}
		case <-end:
			s.t.Fatalf("there is no %s after a minute; problems so far: %v", what, s.problems)
		}
	}
}

// answer notes problems, and answers what the server asks.
func (s *languageServer) answer(m lspMessage) {
	switch m.Method {
	case "textDocument/publishDiagnostics":
		var p struct {
			URI         string       `json:"uri"`
			Diagnostics []lspProblem `json:"diagnostics"`
		}
		json.Unmarshal(m.Params, &p)
		s.problems[p.URI] = p.Diagnostics
	case "workspace/configuration":
		var p struct{ Items []struct{ Section string } }
		json.Unmarshal(m.Params, &p)
		settings := make([]any, len(p.Items))
		for i := range settings {
			settings[i] = s.config
		}
		s.send(map[string]any{"id": m.ID, "result": settings})
	default:
		if m.ID != nil && m.Method != "" {
			s.send(map[string]any{"id": m.ID, "result": nil})
		}
	}
}

// open writes a text to a file and opens it.
func (s *languageServer) open(name, language, text string) {
	s.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	s.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": fileURI(name), "languageId": language, "version": 1, "text": text}})
}

// at is the place of a text in another, plus an offset.
func at(name, text, place string, offset int) map[string]any {
	before, _, found := strings.Cut(text, place)
	if !found {
		panic("no " + place)
	}
	line := strings.Count(before, "\n")
	column := len(before) - strings.LastIndexByte(before, '\n') - 1
	return map[string]any{"textDocument": map[string]any{"uri": fileURI(name)}, "position": map[string]any{"line": line, "character": column + offset}}
}
