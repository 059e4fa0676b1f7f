package kube

import (
	"strings"
	"testing"
)

func TestKubeconfigIsMerged(t *testing.T) {
	k := Kubeconfig{Name: "api.example.com", Server: "https://api.example.com:6443", User: "ada", Credentials: &Credentials{CA: []byte("A"), Cert: []byte("B"), Key: []byte("C")}}
	first, err := k.Merge(nil)
	if err != nil {
		t.Fatal(err)
	}
	const want = `apiVersion: v1
kind: Config
clusters:
  - name: api.example.com
    cluster:
      server: https://api.example.com:6443
      certificate-authority-data: QQ==
users:
  - name: ada@api.example.com
    user:
      client-certificate-data: Qg==
      client-key-data: Qw==
contexts:
  - name: api.example.com
    context:
      cluster: api.example.com
      user: ada@api.example.com
current-context: api.example.com
`
	if string(first) != want {
		t.Errorf("a new file:\n%s", first)
	}
	other := strings.NewReplacer("api.example.com", "other", "QQ==", "RA==").Replace(want) + "preferences: {colors: true} # mine\n"
	merged, err := k.Merge([]byte(other))
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.Merge(merged)
	if err != nil || string(again) != string(merged) {
		t.Errorf("again: %v\n%s", err, again)
	}
	for _, part := range []string{"name: other\n", "name: ada@other", "server: https://other:6443", "server: https://api.example.com:6443", "colors: true} # mine", "current-context: api.example.com"} {
		if !strings.Contains(string(merged), part) {
			t.Errorf("%q is missing:\n%s", part, merged)
		}
	}
	// kubectl writes null for lists that have nothing.
	if fresh, err := k.Merge([]byte("clusters: null\nusers: null\ncontexts: null\n")); err != nil || !strings.Contains(string(fresh), "server: https://api.example.com:6443") {
		t.Errorf("null: %v\n%s", err, fresh)
	}
	for _, bad := range []string{"clusters: &c []\nusers: *c", "clusters: 3", "kind: Pod", "a: [", "- x"} {
		if _, err := k.Merge([]byte(bad)); err == nil || !strings.HasPrefix(err.Error(), "read the kubeconfig: ") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
