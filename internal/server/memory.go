package server

import (
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

// headroom is how much garbage may gather between collections. The tree is
// kept in memory that the collector need not look into, so collecting often
// is cheap, and letting the heap double (Go's default) would only cost
// memory.
const headroom = 48 << 20

// A tuner keeps the collector's target at the live heap plus headroom.
type tuner struct {
	done chan struct{}
	wg   sync.WaitGroup
}

// tuning is the tuner of this process, and how many servers run in it: the
// collector's target is one for all.
var tuning struct {
	mu      sync.Mutex
	servers int
	tuner   *tuner
}

// startTuner has the collector tuned until stopTuner.
func startTuner() {
	tuning.mu.Lock()
	defer tuning.mu.Unlock()
	if tuning.servers++; tuning.servers == 1 {
		tuning.tuner = &tuner{done: make(chan struct{})}
		tuning.tuner.wg.Go(tuning.tuner.run)
	}
}

// stopTuner gives the collector back as it was, with the last server.
func stopTuner() {
	tuning.mu.Lock()
	defer tuning.mu.Unlock()
	if tuning.servers--; tuning.servers == 0 {
		close(tuning.tuner.done)
		tuning.tuner.wg.Wait()
	}
}

func (t *tuner) run() {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	before := debug.SetGCPercent(defaultPercent)
	defer debug.SetGCPercent(before)
	current := defaultPercent
	for {
		metrics.Read(sample)
		if want := percentFor(sample[0].Value.Uint64()); want != current {
			debug.SetGCPercent(want)
			current = want
		}
		select {
		case <-t.done:
			return
		case <-ticker.C:
		}
	}
}

// defaultPercent is Go's own GOGC.
const defaultPercent = 100

// percentFor returns the GOGC value that lets the heap grow by headroom over
// the given live size, within bounds.
func percentFor(live uint64) int {
	return int(min(max(headroom*100/max(live, 1), 15), 400))
}
