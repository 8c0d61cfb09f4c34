package metrics

import (
	"math"
	"math/bits"
	"sync/atomic"
)

// Buckets of a histogram: values below 2*subBuckets have a bucket each, and every doubling beyond has subBuckets of
// equal width, so that a bucket is never wider than 1/subBuckets of its values. Negative values fall into the first
// bucket and values of 2^31 and more (24 days in milliseconds) into the last; minimum and maximum stay exact.
const (
	subBits    = 5
	subBuckets = 1 << subBits
	topBit     = 31
	numBuckets = (topBit - subBits + 1) * subBuckets
)

// Percentiles is a Summary that also answers what value a given share of the observations stays below (Java
// AvgMinMaxPercentileCounter). Java keeps a random sample of 4096 values; this keeps every value in buckets with a
// relative error of at most 1/32, and exact below 64. The zero value is ready; it must not be copied.
type Percentiles struct {
	sum     atomic.Int64
	limits  limits
	_       [cacheLine - 24]byte
	buckets [numBuckets]atomic.Int64
}

// Observe records one value; it takes a few nanoseconds.
func (p *Percentiles) Observe(v int64) {
	p.sum.Add(v)
	p.limits.widen(v)
	p.buckets[bucketOf(v)].Add(1)
}

// Count returns how many values were observed; it walks the buckets.
func (p *Percentiles) Count() int64 {
	var n int64
	for i := range p.buckets {
		n += p.buckets[i].Load()
	}
	return n
}

// Sum returns the sum of the values observed.
func (p *Percentiles) Sum() int64 { return p.sum.Load() }

// Min returns the least value observed, 0 if there is none.
func (p *Percentiles) Min() int64 { return p.limits.min() }

// Max returns the greatest value observed, 0 if there is none.
func (p *Percentiles) Max() int64 { return p.limits.max() }

// Avg returns the mean rounded half up to four decimals, 0 if nothing was observed.
func (p *Percentiles) Avg() float64 { return average(p.Sum(), p.Count()) }

// Reset forgets everything.
func (p *Percentiles) Reset() {
	p.sum.Store(0)
	p.limits.reset()
	for i := range p.buckets {
		p.buckets[i].Store(0)
	}
}

// Quantile returns the value that a share q (0..1) of the observations stays below, 0 if there is none.
func (p *Percentiles) Quantile(q float64) int64 { return p.snapshot().quantile(q) }

func (p *Percentiles) emit(name string, emit Emit) {
	s := p.snapshot()
	sum := p.Sum()
	emitSummary(name, average(sum, s.count), s.least, s.most, s.count, sum, emit)
	emit("p50_"+name, formatInt(s.quantile(0.5)))
	emit("p95_"+name, formatInt(s.quantile(0.95)))
	emit("p99_"+name, formatInt(s.quantile(0.99)))
	emit("p999_"+name, formatInt(s.quantile(0.999)))
}

// snapshot is a copy of the counts, so that several quantiles of one line-up agree with each other.
type snapshot struct {
	count, least, most int64
	buckets            [numBuckets]int64
}

func (p *Percentiles) snapshot() *snapshot {
	s := new(snapshot)
	for i := range p.buckets {
		n := p.buckets[i].Load()
		s.buckets[i] = n
		s.count += n
	}
	s.least, s.most = p.Min(), p.Max() // after the buckets: Observe writes them before
	return s
}

// quantile follows the UniformSnapshot of Java's metrics library: rank q*(n+1) among the sorted values, between two
// of them by linear interpolation, rounded half up.
func (s *snapshot) quantile(q float64) int64 {
	if s.count == 0 {
		return 0
	}
	rank := q * float64(s.count+1)
	below := int64(rank)
	switch {
	case below < 1:
		return s.least
	case below >= s.count:
		return s.most
	}
	low, high := s.nth(below), s.nth(below+1)
	return low + int64(math.Floor((rank-float64(below))*float64(high-low)+0.5))
}

// nth returns the n-th smallest value, 1 being the first, as well as its bucket knows it.
func (s *snapshot) nth(n int64) int64 {
	for i, c := range s.buckets {
		if n -= c; n <= 0 {
			return max(s.least, min(s.most, middleOf(i)))
		}
	}
	return s.most
}

func bucketOf(v int64) int {
	if v < 2*subBuckets {
		return int(max(v, 0))
	}
	top := bits.Len64(uint64(v)) - 1
	if top >= topBit {
		return numBuckets - 1
	}
	shift := top - subBits
	return shift*subBuckets + int(v>>shift)
}

// middleOf returns the value in the middle of a bucket; for buckets of one value that is the value.
func middleOf(bucket int) int64 {
	if bucket < 2*subBuckets {
		return int64(bucket)
	}
	shift := bucket/subBuckets - 1
	low := int64(bucket-shift*subBuckets) << shift
	return low + (int64(1)<<shift-1)/2
}
