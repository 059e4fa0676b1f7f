package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type color string

type part struct {
	Name string `json:"name"`
}

type sample struct {
	part
	Port  int             `json:"port" want:"0..65535"`
	Wait  time.Duration   `json:"wait_ns"`
	At    time.Time       `json:"at,omitzero"`
	Color color           `json:"color"`
	Parts []part          `json:"parts"`
	Other *part           `json:"other"`
	On    bool            `json:"on"`
	Raw   json.RawMessage `json:"raw"`
}

func limits() Limits {
	return Limits{Memory: 1 << 20, Check: func(of reflect.Type, text string) string {
		if of == reflect.TypeFor[color]() && text != "red" {
			return "want red"
		}
		return ""
	}}
}

func ExampleDecode() {
	text := []byte("{\n  \"parts\": [{\"nam\": \"a\"}]\n}")
	err := Decode(text, new(sample), Limits{Memory: 1 << 20})
	var wrong *Error
	if errors.As(err, &wrong) {
		line, column := wrong.Place(text)
		fmt.Printf("%d:%d: %v\n", line, column, err)
	}
	// Output: 2:14: parts[0].nam: unknown field
}

func TestDecode(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`{"name":"a","port":22,"wait_ns":5,"at":"2026-01-02T03:04:05Z","color":"red","parts":[{"name":"b"}],"other":{},"on":true,"raw":{"x":[1,null]}}`, ""},
		{" { } \n", ""},
		{`{"name":"\ufffd�\"\u00e9"}`, ""},
		{"", "it is empty"},
		{"  ", "it is empty"},
		{`{`, "it ends in the middle, as a file that was cut does"},
		{`{"name`, "it ends in the middle, as a file that was cut does"},
		{`{"port":`, "port: it ends in the middle, as a file that was cut does"},
		{`{"on":tr`, "on: it ends in the middle, as a file that was cut does"},
		{`{"port":-`, "port: it ends in the middle, as a file that was cut does"},
		{`{} {}`, "more text after the end"},
		{`[]`, "want an object, not '['"},
		{`{"name":null}`, "name: want a text in quotes, not 'n'"},
		{`{"parts":null}`, "parts: want a list, not 'n'"},
		{`{"other":null}`, "other: want an object, not 'n'"},
		{`{"NAME":"a"}`, "NAME: unknown field"},
		{`{"a.b\u001b":"a"}`, `"a.b\x1b": unknown field`},
		{`{"name":"a","name":"b"}`, "name: it is said twice"},
		{`{"port":"22"}`, `port: want a number, not '"'`},
		{`{"port":65536}`, "port: want a number from 0 to 65535, not 65536"},
		{`{"port":-1}`, "port: want a number from 0 to 65535, not -1"},
		{`{"port":1.5}`, "port: want a whole number, not 1.5"},
		{`{"port":1e999}`, "port: want a whole number, not 1e999"},
		{`{"port":01}`, "port: want a number, not '0'"},
		{`{"port":99999999999999999999}`, "port: want a number from 0 to 65535, not 99999999999999999999"},
		{`{"wait_ns":-1}`, "wait_ns: want a duration in nanoseconds, from 0 to 3153600000000000000, not -1"},
		{`{"wait_ns":9223372036854775807}`, "wait_ns: want a duration in nanoseconds, from 0 to 3153600000000000000, not 9223372036854775807"},
		{`{"at":"yesterday"}`, `at: want a time such as 2026-01-31T14:22:33Z, not "yesterday"`},
		{`{"color":"blue"}`, "color: want red"},
		{`{"on":1}`, "on: want true or false, not '1'"},
		{`{"on":truely}`, "want a comma or the end of the object, not 'l'"},
		{`{"name":"\ud800"}`, "name: half a surrogate pair in a text"},
		{`{"name":"\x"}`, "name: an unknown escape in a text"},
		{"{\"name\":\"a\nb\"}", "name: a control character in a text"},
		{"{\"name\":\"\xff\"}", "it is not UTF-8"},
		{`{"raw":` + strings.Repeat("[", 100000), "nested deeper than 32"},
		{`{"parts":[` + strings.Repeat("{},", 100000) + `{}]}`, "it holds too much: decoded, it takes more than 1 MB"},
		{`{"name":"` + strings.Repeat("x", 2<<20) + `"}`, "name: it holds too much: decoded, it takes more than 1 MB"},
	} {
		text := ""
		if err := Decode([]byte(tt.text), new(sample), limits()); err != nil {
			text = err.Error()
		}
		if text != tt.want && !(tt.want != "" && strings.HasSuffix(text, ": "+tt.want) && len(text) < 300) {
			t.Errorf("%.60s: got %q, want %q", tt.text, text, tt.want)
		}
	}
}

// What is taken is what encoding/json reads.
func TestDecodeReadsWhatJSONReads(t *testing.T) {
	text := `{"name":"é\n","port":22,"wait_ns":5,"at":"2026-01-02T03:04:05.678Z","color":"red","parts":[{"name":"b"},{}],"other":{"name":"c"},"on":false,"raw":[1,{"a":"b"}]}`
	var got, want sample
	if err := Decode([]byte(text), &got, limits()); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","port":22,"at":"2026-01-02T03:04:05Z","parts":[{"name":"b"}],"raw":{"x":[1,null]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v sample
		err := Decode(text, &v, limits())
		if err == nil && !json.Valid(text) {
			t.Fatal("taken, and no JSON")
		}
		var wrong *Error
		if err != nil && (!errors.As(err, &wrong) || wrong.Offset > len(text)) {
			t.Fatalf("%v", err)
		}
	})
}
