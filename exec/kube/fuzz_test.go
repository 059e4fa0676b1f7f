package kube

import (
	"errors"
	"fmt"
	"net/http"
	"testing"

	"go.yaml.in/yaml/v3"
)

// FuzzMerge merges a cluster into any kubeconfig. The result is YAML that says the same when
// the cluster is merged into it again.
func FuzzMerge(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: x}}]\n"))
	f.Add([]byte("clusters: &c []\nusers: *c\n"))
	f.Add([]byte("# mine\n---\n{}\n"))
	f.Fuzz(func(t *testing.T, former []byte) {
		k := Kubeconfig{Name: "c", Server: "https://c:6443", User: "u", Credentials: &Credentials{CA: []byte("A"), Cert: []byte("B"), Key: []byte("C")}}
		merged, err := k.Merge(former)
		if err != nil {
			return
		}
		var file, same map[string]any
		if err := yaml.Unmarshal(merged, &file); err != nil || file["current-context"] != "c" {
			t.Fatalf("%v: %s", err, merged)
		}
		again, err := k.Merge(merged)
		if err != nil {
			t.Fatalf("again: %v\n%s", err, merged)
		}
		if err := yaml.Unmarshal(again, &same); err != nil || fmt.Sprint(file) != fmt.Sprint(same) {
			t.Errorf("again: %v\n%s\nwas\n%s", err, again, merged)
		}
	})
}

// FuzzRefused reads any answer of what is no API.
func FuzzRefused(f *testing.F) {
	f.Add(404, []byte(`{"kind":"Status","message":"no","details":{"causes":[{"reason":"DisruptionBudget","message":"m"}]},"code":404}`))
	f.Add(502, []byte("<html>Bad gateway</html>"))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		request, err := http.NewRequest(http.MethodGet, "https://c/api", nil)
		if err != nil {
			t.Fatal(err)
		}
		refusal, ok := errors.AsType[*refusal](refused(request, &http.Response{StatusCode: status, Status: http.StatusText(status)}, text))
		if !ok || refusal.Code != status || refusal.Error() == "" {
			t.Errorf("%d %q: %+v", status, text, refusal)
		}
	})
}
