package nixcmd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The builders of Nix's own settings are those that Nix uses.
func TestBuildersOfSettings(t *testing.T) {
	type texts = map[string]string
	for _, tt := range []struct {
		name       string
		env, files texts
		want       string
	}{
		{name: "nothing is set", want: "@/etc/nix/machines"},
		{name: "another directory of settings", env: texts{"NIX_CONF_DIR": "/conf"}, want: "@/conf/machines"},
		{name: "a variable with files", env: texts{"NIX_REMOTE_SYSTEMS": "/a:/b"}, want: "@/a\n@/b"},
		{name: "nix.conf", env: texts{"NIX_REMOTE_SYSTEMS": "/a"}, files: texts{"/etc/nix/nix.conf": "builders = ssh://a x86_64-linux ; ssh://b\n"}, want: "ssh://a x86_64-linux ; ssh://b"},
		{name: "the user's nix.conf", files: texts{"/etc/nix/nix.conf": "builders = ssh://a\n", "/home/op/.config/nix/nix.conf": "builders = @/home/op/machines\n"}, want: "@/home/op/machines"},
		{name: "none in nix.conf, though there is a file", files: texts{"/etc/nix/nix.conf": "builders =\n", "/etc/nix/machines": "ssh://a\n"}, want: ""},
		{name: "none by the environment", env: texts{"NIX_CONFIG": "builders ="}, files: texts{"/etc/nix/nix.conf": "builders = ssh://a\n"}, want: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := machineOf{env: tt.env, files: tt.files}.source().Read(nil)
			if err != nil || got.Builders != tt.want {
				t.Errorf("builders %q, %v; want %q", got.Builders, err, tt.want)
			}
		})
	}
}

func TestParseMachines(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	plain := file("machines", "# ours\nssh://a x86_64-linux - 4 # the big one\n\n  b  \n")
	lix := file("lix", "version = 1\n[machines.andesite]\nuri = \"ssh://andesite\"\n")
	toml := file("machines.toml", "machines.andesite.uri = \"ssh://andesite\"\n")
	for _, tt := range []struct {
		name    string
		entries []string
		want    []string
		toml    bool
	}{
		{name: "none", entries: []string{""}},
		{name: "between semicolons", entries: []string{"ssh://a x86_64-linux; ssh://b"}, want: []string{"ssh://a x86_64-linux", "ssh://b"}},
		{name: "a file and more", entries: []string{"@" + plain + "\nssh://c"}, want: []string{"ssh://a x86_64-linux - 4", "b", "ssh://c"}},
		{name: "a file that is not there", entries: []string{"@" + dir + "/nothing"}},
		{name: "TOML, as Lix reads it", entries: []string{"@" + lix}, toml: true},
		{name: "TOML by the name of its file", entries: []string{"@" + toml}, toml: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list, err := parseMachines(tt.entries)
			if errors.Is(err, errTOML) != tt.toml || err != nil && !tt.toml {
				t.Fatal(err)
			}
			var lines []string
			for _, m := range list {
				lines = append(lines, strings.Join(m, " "))
			}
			if diff := cmp.Diff(tt.want, lines); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// The SSH configuration of builders includes the one that counts without it.
func TestSSHConfigOfBuilders(t *testing.T) {
	const hosts = "Host big\nPort=2222\n"
	user := "Include \"~/.ssh/config\"\nInclude \"/etc/ssh/ssh_config\"\n"
	for _, tt := range []struct {
		name   string
		config SSHConfig
		set    string
		want   string
	}{
		{name: "nothing of its own", set: "-v"},
		{name: "the user's", config: SSHConfig{Hosts: hosts}, want: hosts + "Host *\n" + user},
		{name: "another file", config: SSHConfig{Hosts: hosts, File: "/c"}, want: hosts + "Host *\nInclude \"/c\"\n"},
		{name: "none", config: SSHConfig{Hosts: hosts, File: "none"}, want: hosts + "Host *\n"},
		{name: "NIX_SSHOPTS has one", config: SSHConfig{Hosts: hosts, File: "/c"}, set: "-v -F /d -C", want: hosts + "Host *\nInclude \"/d\"\n"},
		{name: "NIX_SSHOPTS has one, in one word", config: SSHConfig{File: "/c"}, set: "-F/d", want: "Host *\nInclude \"/d\"\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.config.text(tt.set)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A connection to a builder that does not end when it is asked keeps nobody waiting.
func TestAConnectionThatDoesNotEnd(t *testing.T) {
	m, err := openMachines(nil, "")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := errors.Join(
		os.WriteFile(filepath.Join(m.dir, strings.Repeat("0", 40)), nil, 0o600),
		os.WriteFile(filepath.Join(bin, "ssh"), []byte("#!/bin/sh\nexec sleep 3600\n"), 0o755),
	); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		m.close()
	}()
	select {
	case <-closed:
	case <-time.After(2 * time.Minute):
		t.Fatal("it waits for ssh")
	}
	if _, err := os.Stat(m.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its directory is left: %v", err)
	}
}
