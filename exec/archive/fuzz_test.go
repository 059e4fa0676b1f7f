package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
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

// A public key that is read is written so that it is read again, and verifies no signature that its secret key has not made.
func FuzzPublicKey(f *testing.F) {
	f.Add("cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=")
	f.Add("k:AAAA\n")
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParsePublicKey(text); err == nil {
			if again, err := ParsePublicKey(key.String()); err != nil || again != key {
				t.Errorf("%q: %v", key, err)
			}
			if key.Verifies("text", text) {
				t.Error("a key is a signature")
			}
		}
		if secret, err := ParseSecretKey([]byte(text)); err == nil {
			public := secret.Public()
			if again, err := ParsePublicKey(public.String()); err != nil || again != public {
				t.Errorf("%q: %v", public, err)
			}
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

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "example-*")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	local := texts{} // in place of a store
	greeting := local.add("greeting", "hello", nil)
	ctx, name := context.Background(), filepath.Join(dir, "greeting.tar")
	if _, err := Export(ctx, local, Manifest{Paths: []store.Path{greeting}}, name, ExportOptions{}); err != nil {
		panic(err)
	}
	a, err := Open(ctx, name, OpenOptions{})
	if err != nil {
		panic(err)
	}
	defer a.Close()
	closure, err := a.Closure(ctx, a.Manifest.Paths)
	fmt.Println(len(closure), closure[0].NARSize, err)
	fmt.Println(closure[0].Path)
	// Output:
	// 1 120 <nil>
	// /nix/store/5akl8zsmda0yrr63v4khwgskih2g2hsh-greeting
}

// Admit sees what the archive holds before its archives are read, and its error is returned as it is.
func TestAdmit(t *testing.T) {
	src := texts{}
	p := src.add("text", "some text", nil)
	name := filepath.Join(t.TempDir(), "archive.tar")
	if _, err := Export(context.Background(), src, Manifest{Paths: []store.Path{p}}, name, ExportOptions{}); err != nil {
		t.Fatal(err)
	}
	b := unpack(t, name)
	b.infos()[0].set("NarSize", "9223372036854775807")
	b.mend()
	no := errors.New("no room")
	_, err := Open(context.Background(), b.write(t.TempDir(), false), OpenOptions{Admit: func(a *Archive) error {
		closure, err := a.Closure(context.Background(), a.Manifest.Paths)
		if err != nil || closure[0].NARSize != math.MaxInt64 {
			t.Errorf("%+v, %v", closure, err)
		}
		return no
	}})
	if err != no {
		t.Errorf("got %v, want %v", err, no)
	}
}
