package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"muster/compile/store"
	"muster/exec/lab/storelab"
	"muster/exec/nixserve"
)

// remote is the store as one of another machine, whose archives dump writes.
func (s testStore) remote(dump func(ctx context.Context, p store.Path, w io.Writer) error) *Remote {
	r := NewRemote(func(ctx context.Context) (*nixserve.Client, error) { return nixserve.New(ctx, s.Serve()) }, dump)
	s.t.Cleanup(func() { r.Close() })
	return r
}

// dumper writes archives of paths.
func (s testStore) dumper() func(ctx context.Context, p store.Path, w io.Writer) error {
	src := s.local()
	return func(ctx context.Context, p store.Path, w io.Writer) error {
		infos, err := src.Closure(ctx, []store.Path{p})
		if err != nil {
			return err
		}
		return src.NAR(ctx, infos[len(infos)-1], w)
	}
}

func TestFromAnotherMachineToAThird(t *testing.T) {
	ctx := context.Background()
	from, to := newStore(t), newStore(t)
	top := from.Instantiate(storelab.SmallClosure)
	src := from.remote(from.dumper())
	stats, err := copyClosure(ctx, src, to.client(), top, Options{})
	if err != nil || stats.Sent == 0 || stats.Sent != stats.Closure {
		t.Fatalf("%+v, %v", stats, err)
	}
	to.Verify()
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

func TestAnArchiveOfAnotherMachineIsChecked(t *testing.T) {
	ctx := context.Background()
	from := newStore(t)
	top := from.Instantiate(storelab.SmallClosure)
	dumped := from.dumper()
	broken := errors.New("the connection broke")
	for _, tt := range []struct {
		name string
		dump func(ctx context.Context, p store.Path, w io.Writer) error
		want error
	}{
		{"whole", dumped, nil},
		{"changed", func(ctx context.Context, p store.Path, w io.Writer) error {
			var all bytes.Buffer
			err := dumped(ctx, p, &all)
			all.Bytes()[all.Len()/2] ^= 1
			w.Write(all.Bytes())
			return err
		}, nixserve.ErrCorrupt},
		{"cut short", func(ctx context.Context, p store.Path, w io.Writer) error {
			var all bytes.Buffer
			err := dumped(ctx, p, &all)
			w.Write(all.Bytes()[:all.Len()/2])
			return err
		}, nixserve.ErrCorrupt},
		{"nothing", func(context.Context, store.Path, io.Writer) error { return nil }, nixserve.ErrCorrupt},
		{"broken", func(context.Context, store.Path, io.Writer) error { return broken }, broken},
	} {
		src := from.remote(tt.dump)
		infos, err := src.Closure(ctx, top)
		if err != nil {
			t.Fatal(err)
		}
		if err := src.NAR(ctx, infos[0], io.Discard); !errors.Is(err, tt.want) || tt.want == nil && err != nil {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := from.remote(dumped).Closure(ctx, []store.Path{somePath}); err == nil {
		t.Error("a path that is not there has a closure")
	}
}
