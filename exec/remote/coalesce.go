package remote

import "time"

// A coalescer delays reads while much is sent, so that one read takes many small packets, as interrupt coalescing does
// in a network card. While a closure is sent, what comes in are acknowledgements of single paths and window updates:
// nothing waits for any one of them, and to wake up for each costs more processor time than all other work on small
// paths.
type coalescer struct {
	since time.Time // when the delay was chosen
	sent  int64     // bytes sent until then
	delay time.Duration
}

const (
	chooseInterval = 8 * time.Millisecond
	bulkRate       = 2e6       // bytes a second sent, from which reads are delayed
	bytesPerRead   = 128 << 10 // bytes sent between two reads, far fewer than the window of the other side
	maxReadDelay   = 4 * time.Millisecond
	minReadDelay   = 250 * time.Microsecond // shorter delays cost more than they save
)

// wait delays a read. sent is how many bytes the connection has sent in all.
func (c *coalescer) wait(sent int64) {
	now := time.Now()
	if elapsed := now.Sub(c.since); elapsed >= chooseInterval {
		c.delay = readDelay(sent-c.sent, elapsed)
		c.since, c.sent = now, sent
	}
	if c.delay > 0 {
		// Until a multiple of the delay, so that all connections read at the same moments.
		time.Sleep(c.delay - time.Duration(now.UnixNano())%c.delay)
	}
}

// readDelay is the delay of reads after this many bytes were sent in the time elapsed: the time in which about
// bytesPerRead more are sent.
func readDelay(sent int64, elapsed time.Duration) time.Duration {
	rate := float64(sent) / elapsed.Seconds()
	if rate < bulkRate {
		return 0
	}
	delay := maxReadDelay
	for delay.Seconds() > bytesPerRead/rate {
		delay /= 2
	}
	if delay < minReadDelay {
		return 0
	}
	return delay
}
