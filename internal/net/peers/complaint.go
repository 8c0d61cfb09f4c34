package peers

import "time"

const (
	firstSilence   = 10 * time.Second
	longestSilence = 10 * time.Minute
)

// A complaint says how often to log what fails again and again: the first
// time, then after intervals that double from ten seconds to ten minutes.
// Only the log is held back; what fails is tried as often as ever. Its owner
// guards it.
type complaint struct {
	failures int           // since it last went well
	silence  time.Duration // the interval that ends at next
	next     time.Time
}

// failed counts a failure. say tells whether to log it; failures is how many
// there were by now.
func (c *complaint) failed(now time.Time) (failures int, say bool) {
	c.failures++
	if c.failures > 1 && now.Before(c.next) {
		return c.failures, false
	}
	if c.failures == 1 {
		c.silence = firstSilence
	} else {
		c.silence = min(2*c.silence, longestSilence)
	}
	c.next = now.Add(c.silence)
	return c.failures, true
}

// over says that it went well, and returns how often it had failed.
func (c *complaint) over() int {
	n := c.failures
	*c = complaint{}
	return n
}
