package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"muster/compile/store"
	"muster/exec/nixserve"
)

func FuzzManifest(f *testing.F) {
	m := Manifest{Version: manifestVersion, Hosts: []Host{{Name: "web1", Drv: somePath + ".drv", System: somePath}}}
	text, err := m.text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		var m Manifest
		if err := m.parse(text); err != nil {
			return
		}
		if again, err := m.text(); err != nil || !bytes.Equal(again, text) {
			t.Errorf("%q, %v", again, err)
		}
	})
}

// Any bytes with a checksum that is right are read to their end, and not believed unless every member is.
func FuzzOpen(f *testing.F) {
	name, src := filepath.Join(f.TempDir(), "archive.tar"), texts{}
	first := src.add("first", "some text", nil)
	top := src.add("second", "text about "+string(first), []store.Path{first})
	if _, err := Export(context.Background(), src, Manifest{Paths: []store.Path{top}}, name, ExportOptions{}); err != nil {
		f.Fatal(err)
	}
	whole, err := os.ReadFile(name)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole[:len(whole)-trailerSize])
	f.Fuzz(func(t *testing.T, text []byte) {
		name := filepath.Join(t.TempDir(), "archive.tar")
		if err := os.WriteFile(name, fmt.Appendf(bytes.Clone(text), "%s%x\n", trailer, sha256.Sum256(text)), 0o644); err != nil {
			t.Fatal(err)
		}
		a, err := Open(context.Background(), name, OpenOptions{})
		if err != nil {
			checkRefusal(t, "fuzz", name, err)
			return
		}
		defer a.Close()
		closure, err := a.Closure(context.Background(), a.Manifest.roots())
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range closure {
			if err := a.NAR(context.Background(), info, io.Discard); err != nil {
				t.Error(err)
			}
		}
	})
}

// texts are a source of texts that needs no Nix.
type texts map[store.Path]text

type text struct {
	info nixserve.PathInfo
	nar  []byte
}

func (s texts) add(name, contents string, refs []store.Path) store.Path {
	p, err := store.TextPath(name, contents, refs)
	var nar bytes.Buffer
	if err == nil {
		err = store.DumpFile(&nar, []byte(contents), false)
	}
	if err != nil {
		panic(err)
	}
	s[p] = text{nixserve.PathInfo{Path: p, References: refs, NARHash: store.HashBytes(store.SHA256, nar.Bytes()), NARSize: int64(nar.Len()), CA: store.TextCA(contents)}, nar.Bytes()}
	return p
}

func (s texts) Closure(_ context.Context, paths []store.Path) ([]nixserve.PathInfo, error) {
	return nixserve.Closure(paths, func(p store.Path) (nixserve.PathInfo, error) { return s[p].info, nil })
}

func (s texts) NAR(_ context.Context, info nixserve.PathInfo, w io.Writer) error {
	_, err := w.Write(s[info.Path].nar)
	return err
}
