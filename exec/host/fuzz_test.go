package host

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"muster/compile/store"
)

// answers is a host that answers every command with the same, three times.
type answers struct {
	stdout, stderr string
	asked          *int
}

func (a answers) Run(_ context.Context, _ []string, stdout, stderr io.Writer) error {
	if *a.asked++; *a.asked > 3 {
		return errors.New("enough")
	}
	for _, s := range []struct {
		w    io.Writer
		text string
	}{{stdout, a.stdout}, {stderr, a.stderr}} {
		if s.w != nil {
			io.WriteString(s.w, s.text)
		}
	}
	return nil
}

// Whatever a host answers to whatever question, the result is within its type's promises: paths are store paths, times are
// not negative, lists and words are bounded, and everything can be written as JSON.
func FuzzAnswers(f *testing.F) {
	f.Add("time 1700000000\nprofile "+string(newSystem)+"\nlink system-2-link\ncurrent "+string(oldSystem)+"\nspace a 1 2 3\nbootspace a 1 2 3\nmemory 4\n"+
		"lock 1 2 run who\nguard 100 run activated 200\ndisk other /dev/sda\nneeds kernel\nfailed a.service\nrestarting run boot "+string(newSystem)+"\n"+
		"deployment run 1700000001 system-1-link "+string(oldSystem)+" - - - who\nrejected system-2-link "+string(newSystem)+" run 1700000003\n"+
		"confirmed system-1-link "+string(oldSystem)+"\ngeneration system-2-link "+string(newSystem)+"\n", "armed")
	f.Add("lacks "+string(oldSystem)+"\nhas "+string(newSystem)+"\npart kernel "+string(newSystem)+"\ninterface 2\nunit /etc/systemd/system/ a.service\n"+
		"unit /x/user/ b.service /c\nfstab a b c\npending restart a.service\nuser bob b.service\ncontainer\nloaded\nId=a.service\nActiveState=active\n", "activated 100")
	f.Add("system-1-link 1700000000 "+string(oldSystem)+" 24.05\n", "stuck for a reason")
	f.Add("held 5 run who\n", "refused lost run2")
	f.Add("boot 1234\nline a\n==> /a <==\ntext\n==> /b <==\n", "refused moved")
	f.Fuzz(func(t *testing.T, out, state string) {
		ask := func() *Host { return New(answers{out, state, new(int)}, time.Minute) }
		ctx := t.Context()
		if in, err := ask().Inspect(ctx, InspectRequest{}); err == nil {
			checkInspection(t, in)
		}
		if gens, err := ask().Generations(ctx); err == nil {
			checkGenerations(t, gens)
		}
		asked := []store.Path{oldSystem}
		if c, err := ask().Compare(ctx, asked); err == nil {
			for _, p := range c.Lacks {
				if !slices.Contains(asked, p) {
					t.Errorf("lacks %q, which was not asked about", p)
				}
			}
			for part := range c.Parts {
				if !slices.Contains(Parts, part) {
					t.Errorf("part %q", part)
				}
			}
			checkPaths(t, "has", c.Has...)
		}
		if texts, err := ask().Texts(ctx, []string{"/a", "/b"}); err == nil {
			for name, text := range texts {
				if name != "/a" && name != "/b" || !strings.Contains(out, text) {
					t.Errorf("%q: %q", name, text)
				}
			}
		}
		for _, follow := range []func(*Host, *Watch) (Verdict, error){
			func(h *Host, w *Watch) (Verdict, error) { return h.Arm(ctx, Order{Run: "r"}, w, io.Discard) },
			func(h *Host, w *Watch) (Verdict, error) {
				v, _, err := h.Confirm(ctx, w, io.Discard, InspectRequest{})
				return v, err
			},
			func(h *Host, w *Watch) (Verdict, error) { return h.Recover(ctx, w, true, io.Discard) },
		} {
			v, err := follow(ask(), &Watch{Run: "r"})
			if err == nil && (!v.known() || v.Phase == refused || len(v.Reason) > maxState+len("…")) {
				t.Errorf("%.100q", v)
			}
			checkMessage(t, err)
		}
		checkMessage(t, ask().Lock(ctx, LockRequest{Run: "r"}))
		ask().Tell(ctx, "r", AbortWord, "")
		ask().LastBoot(ctx, 10)
	})
}

func checkMessage(t *testing.T, err error) {
	t.Helper()
	if err != nil && len(err.Error()) > 4*maxState+200 { // quoted
		t.Errorf("a message of %d bytes", len(err.Error()))
	}
}

func checkInspection(t *testing.T, in Inspection) {
	t.Helper()
	if _, err := json.Marshal(in); err != nil {
		t.Error(err)
	}
	f, s := in.Facts, in.State
	if f.Space < -1 || f.BootSpace < -1 || f.Memory < -1 || f.Returns < 0 || in.Lock.Held < 0 || in.Lock.Quiet < 0 {
		t.Errorf("negative: %+v %+v", f, in.Lock)
	}
	switch in.Disk.Relation {
	case UnknownDisk, RootDisk, MissingDisk, OtherDisk, UnsureDisk:
	default:
		t.Errorf("unknown relation %q", in.Disk.Relation)
	}
	for _, list := range [][]string{in.Lacks, f.Needs, f.FailedUnits} {
		if len(list) > maxList+1 {
			t.Errorf("%d words", len(list))
		}
	}
	for _, word := range []string{f.Nix, f.Machine, f.BootID, f.DeployedBy, in.Guard, in.Lock.Run, in.Lock.Who, in.Disk.Device, in.ReadOnly, string(f.Activation), f.ActivationRun} {
		if len(word) > maxWord+len("…") {
			t.Errorf("a word of %d bytes", len(word))
		}
	}
	checkPaths(t, "state", s.Generation.System, s.Current, s.Booted, s.Boots, in.Restart.System)
	checkPaths(t, "confirmed", in.History.Confirmed...)
	for _, d := range in.History.Deployments {
		checkPaths(t, "deployment", d.Generation.System, d.Former.System, d.RanBefore)
	}
	for _, r := range in.History.Rejected {
		checkPaths(t, "rejection", r.Generation.System)
	}
	checkGenerations(t, in.History.Generations)
}

func checkGenerations(t *testing.T, gens []Generation) {
	t.Helper()
	if _, err := json.Marshal(gens); err != nil {
		t.Error(err)
	}
	for i, g := range gens {
		checkPaths(t, "generation", g.System)
		if g.Number < 1 || i > 0 && g.Number < gens[i-1].Number {
			t.Errorf("generation %d: %+v", i, g)
		}
	}
}

// checkPaths wants store paths, or "".
func checkPaths(t *testing.T, what string, paths ...store.Path) {
	t.Helper()
	for _, p := range paths {
		if _, err := store.ParsePath(string(p)); p != "" && err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
