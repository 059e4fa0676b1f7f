package transfer

import "time"

// A throughputMonitor samples how fast a transfer goes, until it has found once that the rest is better sent compressed.
type throughputMonitor struct {
	link    *Link
	left    int64       // bytes still to write
	path    int64       // bytes of the current path written so far: another session sends them again
	prepare func() bool // gets ready for compression, and reports whether that is possible
	decided bool

	began time.Time // of the transfer
	ahead int64     // bytes written before the first sample

	// The current sample.
	from  time.Time
	bytes int64
	waits waits
	cpu   cpuTime

	slow int // slow samples in a row
}

const (
	// sshWindow is how many bytes a connection takes before any has arrived (OpenSSH's channels.h,
	// CHAN_SES_WINDOW_DEFAULT): they say nothing about its speed.
	sshWindow = 2 << 20
	// A link is slow if it carries fewer bytes a second: compressing takes as long as sending then.
	slowRate = 50e6
	// A sample takes at least so long and has at least so many bytes; or it takes a second, with however few.
	sampleTime    = 100 * time.Millisecond
	sampleBytes   = 4 << 20
	maxSampleTime = time.Second
	// slowWhenBusy is how many samples in a row must be slow on a machine whose processors are busy: the network then
	// sometimes seems to hold up what the machine itself does.
	slowWhenBusy = 3
)

// wrote counts bytes, and reports once whether the transfer should go on compressed.
func (m *throughputMonitor) wrote(n int) bool {
	if m.decided {
		return false
	}
	now := time.Now()
	m.left -= int64(n)
	m.path += int64(n)
	if !m.sampling(n, now) {
		return false
	}
	took := now.Sub(m.from)
	if took < sampleTime || m.bytes < sampleBytes && took < maxSampleTime {
		return false
	}
	s := m.end(now)
	if s.slow(m.left) {
		m.slow++
	} else {
		m.slow = 0
	}
	if m.slow == 0 || s.busy && !s.byLimit() && m.slow < slowWhenBusy {
		return false
	}
	if m.path > m.left {
		return false // too much would be sent again; the next path may be small
	}
	m.decided = true
	return m.prepare()
}

// sampling counts bytes, and reports whether they belong to a sample. The first one begins once the connection's buffers
// are full; where that takes too long, it began with the transfer.
func (m *throughputMonitor) sampling(n int, now time.Time) bool {
	switch {
	case m.began.IsZero():
		m.began = now
		m.mark()
		return false
	case !m.from.IsZero():
		m.bytes += int64(n)
		return true
	}
	m.ahead += int64(n)
	switch {
	case m.ahead >= sshWindow:
		m.from = now
		m.mark()
		return true
	case now.Sub(m.began) > maxSampleTime:
		m.from, m.bytes = m.began, m.ahead
		return true
	}
	return false
}

// end returns the current sample and begins the next.
func (m *throughputMonitor) end(now time.Time) sample {
	s := sample{took: now.Sub(m.from), bytes: m.bytes, busy: busySince(m.cpu)}
	before := m.waits
	m.mark()
	s.limited = m.waits.limits - before.limits
	s.held, s.heldKnown = m.waits.held-before.held, m.waits.heldKnown && before.heldKnown
	m.from, m.bytes = now, 0
	return s
}

// mark notes the counters at the beginning of a sample.
func (m *throughputMonitor) mark() {
	m.waits = waits{limits: time.Duration(m.link.waited.Load())}
	if m.link.HeldUp != nil {
		m.waits.held, m.waits.heldKnown = m.link.HeldUp()
	}
	m.cpu, _ = readCPU()
}

// waits are for how long what was to be sent has been held up since the connection began.
type waits struct {
	limits    time.Duration // by the limits
	held      time.Duration // by the network alone
	heldKnown bool
}

// A sample is what was seen of a transfer for a while.
type sample struct {
	took      time.Duration
	bytes     int64
	held      time.Duration // for how long the network alone held it up
	heldKnown bool
	limited   time.Duration // for how long the limits held it up
	busy      bool          // whether this machine's processors were busy all the time
}

// slow reports whether the bytes that are left are better compressed: the rate is low, and the link is the reason.
// Compression does not help against a slow receiver, or a sender whose processors are busy.
func (s sample) slow(left int64) bool {
	rate := float64(s.bytes) / s.took.Seconds()
	switch {
	case left < minCompressed || float64(left)/rate < 0.5, rate > slowRate:
		return false
	case s.byLimit():
		return true
	case s.heldKnown:
		return s.mostly(s.held)
	}
	return !s.busy
}

// byLimit reports whether a limit is the reason for the rate. Unlike the network's part, its part is known exactly,
// however busy the machine is.
func (s sample) byLimit() bool { return s.mostly(s.limited) }

// mostly reports whether waiting took so much of the sample that it is the reason for the rate.
//
// Measured for the network: 0.62 and more over links of 20 ms and of 200 Mbit/s; where processors are the limit 0.2, and in
// 7 of 1,100 samples more than 0.6.
func (s sample) mostly(waiting time.Duration) bool { return waiting >= s.took*3/5 }
