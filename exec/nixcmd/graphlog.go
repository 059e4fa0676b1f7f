package nixcmd

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"muster/compile/store"
	"muster/exec/builds"
	"muster/exec/foreign"
	"muster/exec/ondemand"
)

// A derivation is what is known of one.
type derivation struct {
	inputs []store.Path
	outs   []store.Path // that are known before
	log    []string     // the last lines of its build
	needs  map[store.Path]bool

	platform string   // such as x86_64-linux
	features []string // that it requires of its machine
}

// maxDerivation is how large a file of a derivation may be, in bytes.
const maxDerivation = 64 << 20

// derivation reads a derivation, once. The caller holds b.mu.
func (b *graphBuild) derivation(drv store.Path) *derivation {
	d := b.drvs[drv]
	if d != nil && d.needs != nil {
		return d
	}
	if d == nil {
		d = &derivation{}
		b.drvs[drv] = d
	}
	d.needs = map[store.Path]bool{}
	text, err := foreign.ReadFile(string(drv), foreign.Limits{Size: maxDerivation})
	if err != nil {
		return d // it needs nothing that is known
	}
	parsed, err := store.ParseDerivation(drv, text)
	if err != nil {
		return d
	}
	for input := range parsed.InputDrvs {
		d.inputs = append(d.inputs, input)
	}
	slices.Sort(d.inputs)
	d.platform, d.features = parsed.Platform, strings.Fields(parsed.Env["requiredSystemFeatures"])
	for _, name := range parsed.OutputNames() {
		if out := parsed.Outputs[name].Path; out != "" {
			d.outs = append(d.outs, out)
		}
	}
	return d
}

// needs reports whether a derivation needs another to be built, or is it. The caller holds
// b.mu.
func (b *graphBuild) needs(drv, other store.Path) bool {
	if drv == other {
		return true
	}
	d := b.derivation(drv)
	if known, ok := d.needs[other]; ok {
		return known
	}
	d.needs[other] = slices.ContainsFunc(d.inputs, func(input store.Path) bool { return b.needs(input, other) })
	return d.needs[other]
}

// built reports whether what a derivation builds is there. The caller holds b.mu.
func (b *graphBuild) built(drv store.Path) (outs []store.Path, there bool) {
	outs = b.derivation(drv).outs
	for _, out := range outs {
		if _, err := os.Lstat(string(out)); err != nil {
			return outs, false
		}
	}
	return outs, len(outs) > 0
}

// line takes up a line of Nix.
func (r *round) line(line string) {
	b := r.b
	b.mu.Lock()
	defer b.mu.Unlock()
	e, ok := parseLogEntry(line)
	if !ok {
		r.say(line)
		return
	}
	switch e.Action {
	case "start":
		r.started(&e)
	case "stop":
		r.ask()
	case "result":
		r.result(&e)
	case "msg":
		r.message(&e)
	}
}

func (r *round) started(e *logEntry) {
	switch e.Type {
	case activityBuilds:
		r.builds = e.ID
	case activityBuild:
		a := &activity{drv: store.Path(e.text(0)), on: e.text(1), since: time.Now()}
		r.activities[e.ID] = a
		delete(r.unplaced, a.drv)
		r.b.watcher.Started(a.drv, a.on)
	}
}

func (r *round) result(e *logEntry) {
	b, a := r.b, r.activities[e.ID]
	switch {
	case a != nil && e.Type == resultLine:
		line := e.text(0)
		d := b.drvs[a.drv]
		if d == nil {
			d = &derivation{}
			b.drvs[a.drv] = d
		}
		d.log = append(d.log[max(0, len(d.log)-keptLog+1):], line)
		b.watcher.Printed(a.drv, line)
	case a != nil && e.Type == resultPhase:
		b.watcher.Phase(a.drv, e.text(0))
	case e.ID == r.builds && e.Type == resultProgress:
		before := r.counts
		r.counts = [4]int{e.number(0), e.number(1), e.number(2), e.number(3)}
		if r.counts == before {
			return
		}
		if r.counts[0] > before[0] {
			r.ask()
		}
		b.count()
	}
}

// keptLog is how many lines of a build are kept for the error.
const keptLog = 10

// ask has the wants be looked at.
func (r *round) ask() {
	select {
	case r.checks <- struct{}{}:
	default: // asked already
	}
}

// tellBuilt tells of the builds that have ended well. Of the systems that Nix was asked for, it
// says only at its own end that their builds have ended. What is on disk does not count: it
// comes from a builder before it is checked.
func (r *round) tellBuilt() {
	b := r.b
	var there []store.Path
	b.mu.Lock()
	for _, a := range r.activities {
		if outs, all := b.built(a.drv); all {
			if a.until.IsZero() {
				a.until = time.Now()
			}
			there = append(there, outs...)
		}
	}
	b.mu.Unlock()
	invalid := map[string]bool{}
	for chunk := range slices.Chunk(there, 1000) {
		list, err := b.graph.nix.invalid(b.ctx, chunk)
		if err != nil {
			return
		}
		for _, p := range list {
			invalid[p] = true
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, a := range r.activities {
		outs := b.derivation(a.drv).outs
		if a.until.IsZero() || slices.ContainsFunc(outs, func(out store.Path) bool { return invalid[string(out)] || !slices.Contains(there, out) }) {
			continue
		}
		delete(r.activities, id)
		if !b.ended[a.drv] {
			b.ended[a.drv] = true
			b.watcher.Ended(a.drv, a.on, a.until.Sub(a.since), "")
		}
	}
	b.count()
}

// countEvery is how often the watcher is told of counts, at most. Nix changes them many times
// a millisecond while it finds out what has to be built.
const countEvery = 200 * time.Millisecond

// count tells how far all has come, unless it has told a moment ago. The end of a process
// always tells. The caller holds b.mu.
func (b *graphBuild) count() {
	if time.Since(b.counted) < countEvery {
		return
	}
	b.counted = time.Now()
	c := builds.Counts{Built: len(b.ended), Failed: len(b.failed), Total: len(b.ended) + len(b.failed)}
	most := 0
	for _, r := range b.rounds {
		c.Running += r.counts[2]
		most = max(most, r.counts[1]-r.counts[0]-r.counts[3])
	}
	c.Total += most // rounds side by side have much in common
	b.watcher.Counted(c)
}

// message takes up a message of Nix.
func (r *round) message(e *logEntry) {
	if e.Level > 1 {
		return
	}
	text := colours().ReplaceAllString(e.Msg, "")
	v, ok := judge(text)
	if !ok {
		if !strings.Contains(text, "--add-root") {
			r.say(text)
		}
		return
	}
	b := r.b
	switch v.kind {
	case consequence:
	case remoteFailed:
		r.remote[v.drv] = v
	case buildFailed:
		r.buildFailed(v)
	case unbuildable:
		r.unbuildable(v)
	case unreachable:
		r.said = append(r.said, text)
		b.lose(builds.Loss{Builder: v.on, Why: v.why})
	case nobody:
		r.unplaced[v.drv] = v
	case nothingStarts:
		for _, v := range r.unplaced {
			r.unbuildable(v)
		}
	}
}

// say hands on what Nix says, and keeps it for the error.
func (r *round) say(text string) {
	const kept = 100
	r.said = append(r.said[max(0, len(r.said)-kept+1):], strings.Split(text, "\n")...)
	r.b.watcher.Said(text)
}

// buildFailed takes up that a build has failed: here, on a builder, or together with the
// builder.
func (r *round) buildFailed(v verdict) {
	b := r.b
	on := ""
	for _, a := range r.activities {
		if a.drv == v.drv {
			on = a.on
		}
	}
	answer, answered := r.remote[v.drv]
	why := firstLineOf(answer.why)
	switch {
	case on == "":
		b.failBuild(v.drv, on, v.why)
	case !answered && storeIsFull():
		b.failBuild(v.drv, on, "this machine's store is full: "+r.lastError())
	case !answered:
		r.lostWith(v.drv, builds.Loss{Builder: on, Why: r.lastError(), Drv: v.drv})
	case len(answer.needs.systems)+len(answer.needs.features) > 0:
		r.misjudged(on, answer)
	case builderTrouble().MatchString(answer.why):
		r.lostWith(v.drv, builds.Loss{Builder: on, Why: why, Drv: v.drv})
	case slices.ContainsFunc(b.derivation(v.drv).log, func(line string) bool { return strings.Contains(line, noSpace) }):
		r.lostWith(v.drv, builds.Loss{Builder: on, Why: noSpace, Drv: v.drv})
	default:
		b.failBuild(v.drv, on, trimDrv(why, v.drv))
	}
}

const noSpace = "No space left on device"

// builderTrouble matches what a builder answers about a build that has not failed by itself.
var builderTrouble = ondemand.Regexp(`(?i)no space left|disk I/O error|disk is full|read-only file system|input/output error|interrupted by the user|unexpected end-of-file|cannot connect|failed to start SSH|broken pipe|connection (?:closed|reset|refused|timed out)|cannot allocate memory|unable to (?:fork|start build process)|database is (?:busy|locked)`)

// trimDrv is the reason of a failure without the derivation that it is about.
func trimDrv(why string, drv store.Path) string {
	why = strings.TrimPrefix(strings.TrimPrefix(why, "builder for '"+string(drv)+"' "), "builder ")
	return strings.TrimRight(why, ";:. ")
}

// storeIsFull reports whether this machine's store has no room.
func storeIsFull() bool {
	const room = 1 << 20
	var s syscall.Statfs_t
	return syscall.Statfs(store.Dir, &s) == nil && uint64(s.Bavail)*uint64(s.Bsize) < room
}

// lastError is the last error that Nix has told of, for a builder that has given no answer.
func (r *round) lastError() string {
	for _, text := range slices.Backward(r.said) {
		if text = strings.TrimSpace(text); strings.HasPrefix(text, "error:") {
			return strings.TrimRight(strings.TrimSpace(strings.TrimPrefix(text, "error:")), ";:")
		}
	}
	return "the connection has ended"
}

// maxLosses is how many builders may be lost with one derivation.
const maxLosses = 3

// lostWith takes up that a builder was lost while it built a derivation, which is built
// elsewhere.
func (r *round) lostWith(drv store.Path, loss builds.Loss) {
	b := r.b
	b.lose(loss)
	r.again(drv, loss.Builder, loss.Why)
}

// misjudged takes up that a builder is not what its line says, by what a derivation needs.
func (r *round) misjudged(on string, answer verdict) {
	b := r.b
	loss := builds.Loss{Builder: on, Why: answer.has.butNot(answer.needs), Drv: answer.drv}
	changed := false
	if b.machines != nil {
		var err error
		if loss.For, changed, err = b.machines.limit(on, answer.needs, answer.has); err != nil {
			b.watcher.Said("error: " + err.Error())
		}
	}
	switch {
	case loss.For == "":
		b.lose(loss)
	case changed:
		b.tell(loss)
	}
	r.again(answer.drv, on, loss.Why)
}

// again has a derivation be built once more, by another process, as this one counts it as
// failed; and so what needs it.
func (r *round) again(drv store.Path, on, why string) {
	b := r.b
	b.lost[drv] = append(b.lost[drv], on)
	if n := len(b.lost[drv]); n >= maxLosses {
		b.failBuild(drv, on, fmt.Sprintf("lost with %d builders (%s), with the last: %s", n, strings.Join(b.lost[drv], ", "), why))
		return
	}
	b.news++
	r.tellEnd(drv, "lost with its builder: "+why)
	var wants []*wanted
	for _, w := range r.wants {
		if w.round == r && b.needs(w.Drv, drv) {
			w.round = nil
			wants = append(wants, w)
		}
	}
	b.begin(wants)
}

// tellEnd tells of the end of a build that has not been told of.
func (r *round) tellEnd(drv store.Path, err string) {
	for id, a := range r.activities {
		if a.drv == drv {
			r.b.watcher.Ended(drv, a.on, time.Since(a.since), err)
			delete(r.activities, id)
		}
	}
}

// lose takes a builder out, and tells of it once.
func (b *graphBuild) lose(loss builds.Loss) {
	if strings.Contains(loss.Why, "HOST IDENTIFICATION HAS CHANGED") { // ssh says so in 15 lines
		loss.Why = "its SSH host key is not the one that is known: Host key verification failed"
	}
	if b.machines == nil {
		if !slices.Contains(b.losses, loss.Builder) {
			b.losses = append(b.losses, loss.Builder)
			b.watcher.Lost(loss)
		}
		return
	}
	switch changed, err := b.machines.drop(loss.Builder); {
	case err != nil:
		b.watcher.Said("error: " + err.Error())
	case changed:
		b.tell(loss)
	}
}

// tell tells of a change of the file of machines.
func (b *graphBuild) tell(loss builds.Loss) {
	b.news++
	loss.Left = b.machines.count()
	b.losses = append(b.losses, loss.Builder+": "+loss.Why)
	b.watcher.Lost(loss)
}

// failBuild takes up the failure of a build.
func (b *graphBuild) failBuild(drv store.Path, on, why string) {
	msg := fmt.Sprintf("builder for '%s' %s", drv, why)
	if on != "" {
		msg += " on " + on
	}
	var log []string
	if d := b.drvs[drv]; d != nil {
		log = d.log
	}
	b.fail(drv, &BuildError{Drv: drv, Msg: msg, Log: log})
}

// fail takes up that a derivation cannot be built, and ends the wants that need it.
func (b *graphBuild) fail(drv store.Path, err error) {
	if b.failed[drv] != nil || b.ended[drv] {
		return
	}
	b.failed[drv] = err
	b.news++
	for _, r := range b.rounds {
		r.tellEnd(drv, firstLineOf(err.Error()))
	}
	for _, w := range b.wants {
		if !w.isDone() && w.Drv != "" && b.needs(w.Drv, drv) {
			b.finish(w, "", err)
		}
	}
	b.count()
}

// unbuildable takes up that no machine can build a derivation.
func (r *round) unbuildable(v verdict) {
	if placed, ok := r.unplaced[v.drv]; ok {
		v.needs = placed.needs
	}
	r.b.failPlaceless(v.drv, v.needs, v.has)
}

// failPlaceless fails a derivation that needs what no machine is; has is this machine.
func (b *graphBuild) failPlaceless(drv store.Path, needs, has machineKind) {
	msg, todo := fmt.Sprintf("no machine can build '%s'", drv), ""
	if len(needs.systems)+len(needs.features) > 0 {
		msg += ": it needs " + needs.String()
		todo = "; name a builder for that, or set build_on or cross of the hosts"
	}
	switch {
	case !b.graph.Here:
		msg += "; this machine does not build"
	case len(has.systems)+len(has.features) > 0:
		msg += "; this machine is " + has.String()
	}
	if len(b.losses) > 0 {
		msg, todo = msg+"; left out: "+strings.Join(b.losses, "; "), ""
	}
	b.fail(drv, &PlacelessError{Drv: drv, Msg: msg + todo})
}

// butNot says what a machine is that is not what a derivation needs.
func (k machineKind) butNot(needs machineKind) string {
	switch {
	case len(missingFrom(k.systems, needs.systems)) > 0:
		return "it is " + strings.Join(k.systems, ", ")
	case len(k.features) == 0:
		return "it has no features"
	}
	return "its features are " + strings.Join(k.features, ", ")
}

// String is a machine in words, such as x86_64-linux with kvm, nixos-test.
func (k machineKind) String() string {
	text := strings.Join(k.systems, ", ")
	if len(k.features) == 0 {
		return text
	}
	return strings.TrimSpace(text + " with " + strings.Join(k.features, ", "))
}
