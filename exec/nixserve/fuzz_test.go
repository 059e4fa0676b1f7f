package nixserve

import (
	"bufio"
	"context"
	"io"
	"slices"
	"testing"

	"muster/compile/store"
	"muster/exec/lab/storelab"
)

// Whatever a server says, a session answers with what was asked about, or is over with an error that stays.
func FuzzSession(f *testing.F) {
	const asked = store.Path("/nix/store/00000000000000000000000000000001-a")
	greeting := storelab.Words(storelab.ServerMagic, 2<<8|7)
	info := slices.Concat(storelab.String(string(asked)), storelab.String(""), storelab.Words(0, 0, 120),
		storelab.String("sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s"), storelab.String(""), storelab.Words(0), storelab.String(""))
	paths := slices.Concat(storelab.Words(1), storelab.String(string(asked)))
	f.Add(slices.Concat(greeting, paths, info, paths, storelab.Words(1)), "")
	f.Add(slices.Concat(greeting, storelab.Words(1<<63)), "error: no space")
	f.Add([]byte("Welcome\n"), "\x1b[31;1merror:\x1b[0m x")
	f.Fuzz(func(t *testing.T, said []byte, stderr string) {
		stream := storelab.Serve(t, func(in *bufio.Reader, out io.Writer) (string, int) {
			go io.Copy(io.Discard, in)
			out.Write(said)
			return stderr, 1
		})
		ctx := context.Background()
		c, err := New(ctx, stream)
		if err != nil {
			return
		}
		defer c.Close()
		failed := false
		check := func(what string, err error) bool {
			t.Helper()
			if failed && err == nil {
				t.Errorf("%s: the session was over, and answers", what)
			}
			failed = failed || err != nil
			return err == nil
		}
		if valid, err := c.QueryValidPaths(ctx, []store.Path{asked}, true, false); check("valid paths", err) && len(valid) > 1 {
			t.Errorf("%d valid paths of one", len(valid))
		}
		if infos, err := c.QueryPathInfos(ctx, []store.Path{asked}); check("infos", err) && len(infos) > 1 {
			t.Errorf("%d infos of one path", len(infos))
		}
		if closure, err := c.QueryClosure(ctx, []store.Path{asked}, false); check("closure", err) {
			for _, p := range closure {
				if _, err := store.ParsePath(string(p)); err != nil {
					t.Error(err)
				}
			}
		}
		n, err := c.Send(ctx, []PathInfo{{Path: asked}}, func(_ context.Context, _ PathInfo, w io.Writer) error {
			return store.DumpFile(w, []byte("x"), false)
		}, nil)
		if check("send", err) != (n == 1) {
			t.Errorf("%d paths sent, %v", n, err)
		}
	})
}
