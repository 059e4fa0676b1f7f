package eval

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"
)

// A Host is the result for one of many values that are evaluated in parallel.
type Host struct {
	Name string
	Text string // the value of its attribute, a string
	Err  error  // an [*Error] if there is no value

	// What only this host depended on, if Options.Record is set, and what was traced
	// for it alone. Evaluator.Shared has the rest once all hosts are done.
	Inputs []Input
	Said   []string
}

// Fleet evaluates one attribute of every host. Given { web1 = …; db1 = …; } and
// "config.system.build.toplevel.drvPath", it calls found with each host's
// system derivation as soon as that is known, one host at a time, in any order.
//
// At most workers hosts are evaluated at once. What they share, the files and
// the package set, is evaluated once, by the host that comes to it first, and
// kept. What belongs to a single host is freed when the host is done, so memory
// grows with the number of workers, not of hosts. (What one host reads of
// another, through a set of all nodes, is kept as well.)
//
// Results and errors, including traces, do not depend on the number of workers
// or the order of names.
func (ev *Evaluator) Fleet(ctx context.Context, hosts Value, names []string, attribute string, workers int, found func(Host)) {
	if len(names) == 0 {
		return
	}
	results := make(chan Host)
	go func() {
		defer close(results)
		var g errgroup.Group
		g.SetLimit(max(1, workers))
		for i, name := range names {
			g.Go(func() error {
				results <- ev.host(ctx, hosts, name, attribute, uint16(i%65000)+2)
				return nil
			})
		}
		_ = g.Wait()
	}()
	// When several hosts ran into the same recursion at once, each found only a
	// part of it. Alone, each finds all of it. When memory became short, it is not
	// known which host took it. Alone, only the one that needs too much fails. A host
	// that waited for another until its time was over has its time now.
	var alone []string
	for h := range results {
		if e, ok := h.Err.(*Error); ok && (e.Kind == RecursionError || e.cause == ErrMemory || e.waited) {
			alone = append(alone, h.Name)
			continue
		}
		found(h)
	}
	for _, name := range alone {
		found(ev.host(ctx, hosts, name, attribute, 1))
	}
}

// host evaluates one host in a region of its own. It returns some seconds after the
// limit of time, or after an interrupt, even if a call of the operating system or
// of the World does not return.
func (ev *Evaluator) host(ctx context.Context, hosts Value, name, attribute string, region uint16) Host {
	th := ev.newThread(ctx, region)
	result := make(chan Host, 1)
	go func() {
		defer th.release()
		growStack(1, 2)
		result <- th.evaluateHost(hosts, name, attribute)
	}()
	select {
	case h := <-result:
		return h
	case <-th.ctx.Done():
	}
	stuck := time.NewTimer(grace)
	defer stuck.Stop()
	select {
	case h := <-result:
		return h
	case <-stuck.C:
		return Host{Name: name, Err: th.contextError()}
	}
}

// growStack makes room on the stack of a new goroutine, once. Else the runtime doubles the
// stack, and copies it, each time that the evaluation of a host nests deeper.
//
//go:noinline
func growStack(at, times int) byte {
	var room [hostStack]byte // one that is not used at all would be left out
	room[at] = 1
	if times > 1 {
		return growStack(at, times-1) + room[at/2]
	}
	return room[at/2]
}

// hostStack is the stack that the evaluation of a small host needs, in bytes.
const hostStack = 100 << 10

// grace is how long a thread may take to notice that its context has ended.
const grace = 10 * time.Second

func (th *thread) evaluateHost(hosts Value, name, attribute string) Host {
	v, err := th.try(func() value {
		attrs := th.wantSet(hosts.v, 0)
		a := find(attrs, lookup(name))
		if a == nil {
			th.fail(0, "attribute '%s' missing", name)
		}
		v := th.selectPath(th.copyThunk(a.v), attribute, nil)
		v = th.wantString(v, 0)
		th.observe(v.str())
		return v
	})
	if err != nil {
		if err.cause == ErrMemory {
			th.ev.derivations.drop(th.host)
		}
		return Host{Name: name, Err: err}
	}
	// The string is copied: it may be part of a larger one that can be freed.
	return Host{Name: name, Text: string([]byte(v.str())), Inputs: th.inputs.list, Said: th.inputs.said}
}

// Apart returns a function set: name: set.${name} that has each host evaluate the
// attribute anew, in memory of its own that is freed with the host. What the attribute
// is made of is shared. Given the systems that a flake defines, hosts have the flake in
// common, and none keeps the system of another.
func (ev *Evaluator) Apart() Value {
	b := fn2("apart", func(th *thread, set, name value) value {
		n := th.wantPlainString(name, 0)
		a := find(th.wantSet(set, 0), lookup(n))
		if a == nil {
			th.fail(0, "attribute '%s' missing", n)
		}
		return th.apart(a.v, maxSelections)
	})
	return Value{ev, b.value()}
}

// maxSelections is how many selections apart follows from one to the next. It ends those
// that lead back to their beginning.
const maxSelections = 20

// apart evaluates a copy of a thunk. If the thunk selects an attribute, as x.a.b does, it
// evaluates a copy of the attribute instead.
func (th *thread) apart(v value, selections int) value {
	v = th.copyThunk(v)
	if v.kind() != kindThunk || v.thunk().flags != runsCode || v.thunk().done() || selections == 0 {
		return th.force(v)
	}
	t := v.thunk()
	env := t.frame()
	switch n := t.lazy().node.(type) {
	case *select1:
		set := n.x.eval(th, env)
		if a := th.selected(set, n.sym); a != nil {
			return th.apart(a.v, selections-1)
		}
	case *selectNode:
		if n.def != nil {
			break
		}
		v := n.x.eval(th, env)
		for i := range n.path {
			a := th.selected(v, n.path[i].symbol(th, env))
			if a == nil {
				return th.force(value{&t.object})
			}
			if i == len(n.path)-1 {
				return th.apart(a.v, selections-1)
			}
			v = th.force(a.v)
		}
	}
	return th.force(v)
}

// selected returns an attribute of what should be a set, else nil.
func (th *thread) selected(v value, sym symbol) *attr {
	if v.kind() != kindSet {
		return nil
	}
	return th.lookup(v, sym)
}

// copyThunk returns a copy of a pending thunk, in this thread's region. The
// original, which all threads share, stays pending, so the copy's result is not
// kept.
func (th *thread) copyThunk(v value) value {
	if v.kind() != kindThunk {
		return v
	}
	t := v.thunk()
	if t.done() || !th.claim(t) {
		return t.result()
	}
	c := th.takeThunk()
	c.flags, c.code, c.env = t.flags, t.code, t.env
	th.unclaim(t)
	return value{&c.object}
}
