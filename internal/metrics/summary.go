package metrics

import (
	"math"
	"sync/atomic"
)

// A Summary keeps average, minimum, maximum, count and sum of what it observed (Java AvgMinMaxCounter). The zero
// value is ready; a Summary must not be copied.
//
// The five numbers are written one after the other: somebody who reads while others observe may see a count that is
// one ahead of the sum, as in Java.
type Summary struct {
	count  atomic.Int64
	sum    atomic.Int64
	limits limits
	_      [cacheLine - 32]byte
}

// Observe records one value. Negative values count like others; it takes a few nanoseconds.
func (s *Summary) Observe(v int64) {
	s.sum.Add(v)
	s.limits.widen(v)
	s.count.Add(1)
}

// Count returns how many values were observed.
func (s *Summary) Count() int64 { return s.count.Load() }

// Sum returns the sum of the values observed.
func (s *Summary) Sum() int64 { return s.sum.Load() }

// Min returns the least value observed, 0 if there is none.
func (s *Summary) Min() int64 { return s.limits.min() }

// Max returns the greatest value observed, 0 if there is none.
func (s *Summary) Max() int64 { return s.limits.max() }

// Avg returns the mean rounded half up to four decimals, 0 if nothing was observed.
func (s *Summary) Avg() float64 { return average(s.Sum(), s.Count()) }

// Reset forgets everything.
func (s *Summary) Reset() {
	s.count.Store(0)
	s.sum.Store(0)
	s.limits.reset()
}

func (s *Summary) emit(name string, emit Emit) {
	n, sum := s.Count(), s.Sum()
	emitSummary(name, average(sum, n), s.Min(), s.Max(), n, sum, emit)
}

func emitSummary(name string, avg float64, least, most, count, sum int64, emit Emit) {
	emit("avg_"+name, FormatDouble(avg))
	emit("min_"+name, formatInt(least))
	emit("max_"+name, formatInt(most))
	emit("cnt_"+name, formatInt(count))
	emit("sum_"+name, formatInt(sum))
}

func average(sum, count int64) float64 {
	if count <= 0 {
		return 0
	}
	return round4(float64(sum) / float64(count))
}

// limits are a minimum and a maximum whose zero value means that nothing was seen. Both are kept as numbers that only
// grow: order maps int64 to uint64 keeping the order, and the minimum is the complement of that.
type limits struct {
	most     atomic.Uint64 // order(max) + 0; 0 is order(MinInt64), nothing seen
	leastNot atomic.Uint64 // ^order(min); 0 is ^order(MaxInt64), nothing seen
}

func order(v int64) uint64   { return uint64(v) ^ 1<<63 }
func unorder(u uint64) int64 { return int64(u ^ 1<<63) }

func (l *limits) widen(v int64) {
	raise(&l.most, order(v))
	raise(&l.leastNot, ^order(v))
}

func raise(a *atomic.Uint64, u uint64) {
	for old := a.Load(); u > old; old = a.Load() {
		if a.CompareAndSwap(old, u) {
			return
		}
	}
}

func (l *limits) min() int64 {
	if v := unorder(^l.leastNot.Load()); v != math.MaxInt64 {
		return v
	}
	return 0
}

func (l *limits) max() int64 {
	if v := unorder(l.most.Load()); v != math.MinInt64 {
		return v
	}
	return 0
}

func (l *limits) reset() {
	l.most.Store(0)
	l.leastNot.Store(0)
}
