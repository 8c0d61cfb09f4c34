package metrics

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
)

// lines collects what an instrument prints as "name value".
func lines(in instrument, name string) []string {
	var got []string
	in.emit(name, func(n, v string) { got = append(got, n+" "+v) })
	return got
}

func TestSummaryPrintsJavasFiveLines(t *testing.T) {
	var s Summary
	want := []string{"avg_x 0.0", "min_x 0", "max_x 0", "cnt_x 0", "sum_x 0"}
	if got := lines(&s, "x"); !slices.Equal(got, want) {
		t.Fatalf("empty: %q", got)
	}
	for _, v := range []int64{0, 0, 1, 0, 2, 0, 0} {
		s.Observe(v)
	}
	want = []string{"avg_x 0.4286", "min_x 0", "max_x 2", "cnt_x 7", "sum_x 3"}
	if got := lines(&s, "x"); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	s.Reset()
	s.Observe(-7)
	s.Observe(-9)
	if s.Min() != -9 || s.Max() != -7 || s.Avg() != -8 {
		t.Fatalf("after reset: min %d max %d avg %v", s.Min(), s.Max(), s.Avg())
	}
}

func TestFormatDoubleIsJavas(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.0", 5: "5.0", 3.0 / 7: "0.42857142857142855", 0.001: "0.001", 0.0004: "4.0E-4", 1e7: "1.0E7",
		12345678.5: "1.23456785E7", 9999999: "9999999.0", -2.5: "-2.5", 1e100: "1.0E100", 1.5e-10: "1.5E-10",
		math.Inf(1): "Infinity", math.Inf(-1): "-Infinity",
	} {
		if got := FormatDouble(v); got != want {
			t.Errorf("FormatDouble(%g) = %s, want %s", v, got, want)
		}
	}
	if got := FormatDouble(math.NaN()); got != "NaN" {
		t.Errorf("NaN prints %s", got)
	}
}

func TestBucketsAreContiguousAndNarrow(t *testing.T) {
	last := 0
	for v := range int64(1 << 20) {
		b := bucketOf(v)
		if b != last && b != last+1 {
			t.Fatalf("bucket of %d is %d after %d", v, b, last)
		}
		last = b
		if mid := middleOf(b); mid < v-v/32-1 || mid > v+v/32+1 {
			t.Fatalf("%d is kept as %d", v, mid)
		}
	}
	for _, v := range []int64{1<<31 - 1, 1 << 31, math.MaxInt64} {
		if b := bucketOf(v); b != numBuckets-1 {
			t.Errorf("bucket of %d is %d", v, b)
		}
	}
	if b := bucketOf(math.MinInt64); b != 0 {
		t.Errorf("bucket of the least integer is %d", b)
	}
}

// javaQuantile is the rule of the UniformSnapshot on the values themselves.
func javaQuantile(sorted []int64, q float64) int64 {
	pos := q * float64(len(sorted)+1)
	i := int(pos)
	if i < 1 {
		return sorted[0]
	}
	if i >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	low, high := float64(sorted[i-1]), float64(sorted[i])
	return int64(math.Floor(low + (pos-math.Floor(pos))*(high-low) + 0.5))
}

func TestQuantilesFollowJavasRule(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 50 {
		var p Percentiles
		limit := []int64{2, 64, 1000, 1 << 30}[round%4]
		values := make([]int64, 1+r.IntN(300))
		for i := range values {
			values[i] = r.Int64N(limit)
			p.Observe(values[i])
		}
		slices.Sort(values)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 0.999, 1} {
			got, want := p.Quantile(q), javaQuantile(values, q)
			if slack := want/30 + 1; limit <= 64 && got != want || got < want-slack || got > want+slack {
				t.Errorf("round %d: q %v of %d values below %d is %d, want %d", round, q, len(values), limit, got, want)
			}
		}
	}
}

func TestPercentilesPrintNineLines(t *testing.T) {
	var p Percentiles
	want := []string{"avg_x 0.0", "min_x 0", "max_x 0", "cnt_x 0", "sum_x 0", "p50_x 0", "p95_x 0", "p99_x 0", "p999_x 0"}
	if got := lines(&p, "x"); !slices.Equal(got, want) {
		t.Fatalf("empty: %q", got)
	}
	for v := range int64(10) {
		p.Observe(v + 1)
	}
	want = []string{"avg_x 5.5", "min_x 1", "max_x 10", "cnt_x 10", "sum_x 55", "p50_x 6", "p95_x 10", "p99_x 10", "p999_x 10"}
	if got := lines(&p, "x"); !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
	p.Reset()
	if p.Count() != 0 || p.Max() != 0 || p.Quantile(0.5) != 0 {
		t.Error("reset left something")
	}
}

func TestObserversDoNotLoseValues(t *testing.T) {
	var (
		p   Percentiles
		s   Summary
		set SummarySet
		wg  sync.WaitGroup
	)
	const each, writers = 5000, 8
	for w := range writers {
		wg.Go(func() {
			for i := range int64(each) {
				p.Observe(i)
				s.Observe(i + int64(w))
				set.Observe(fmt.Sprint("k", i%5), 1)
			}
		})
	}
	wg.Wait()
	if p.Count() != each*writers || p.Max() != each-1 {
		t.Errorf("percentiles: count %d, max %d", p.Count(), p.Max())
	}
	if s.Count() != each*writers || s.Min() != 0 || s.Max() != each+writers-2 {
		t.Errorf("summary: count %d, min %d, max %d", s.Count(), s.Min(), s.Max())
	}
	var total int64
	set.set.each(func(_ string, s *Summary) { total += s.Count() })
	if total != each*writers {
		t.Errorf("set: %d values", total)
	}
}

func TestSetsBoundTheirKeys(t *testing.T) {
	var s CounterSet
	for i := range 2 * MaxKeys {
		s.Add(fmt.Sprintf("k%05d", i), 1)
		s.AddBytes(fmt.Appendf(nil, "k%05d", i), 1)
	}
	got := lines(&s, "x")
	if len(got) != MaxKeys+1 {
		t.Fatalf("%d lines", len(got))
	}
	if got[0] != "k00000_x 2" || got[MaxKeys] != fmt.Sprintf("%s_x %d", OtherKey, 2*MaxKeys) {
		t.Errorf("first %q, last %q", got[0], got[MaxKeys])
	}
	s.Reset()
	if got := lines(&s, "x"); len(got) != MaxKeys+1 || !strings.HasSuffix(got[MaxKeys], " 0") {
		t.Errorf("reset must keep the keys and clear the counts: %q", got[MaxKeys])
	}
}

func TestNamespace(t *testing.T) {
	for path, want := range map[string]string{"/a": "a", "/a/b/c": "a", "/zookeeper/quota": "zookeeper", "/": "", "": "", "a/b": ""} {
		if got, ok := Namespace(path); got != want || ok != (want != "") {
			t.Errorf("Namespace(%q) = %q, %v", path, got, ok)
		}
	}
}

func TestObservingDoesNotAllocate(t *testing.T) {
	s := NewServer()
	key := []byte("ns")
	s.ReadPerNamespace.ObserveBytes(key, 1)
	if n := testing.AllocsPerRun(100, func() {
		s.ObserveLatency(3, true)
		s.BytesReceived.Add(10)
		s.FsyncMS.Observe(2)
		s.ReadPerNamespace.ObserveBytes(key, 1)
		s.Ops.Inc(4)
		s.ResponseSizes.Observe(9)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkPercentilesObserve(b *testing.B) {
	var p Percentiles
	for i := int64(0); b.Loop(); i++ {
		p.Observe(i & 1023)
	}
}

func BenchmarkSummaryObserve(b *testing.B) {
	var s Summary
	for i := int64(0); b.Loop(); i++ {
		s.Observe(i & 1023)
	}
}

func BenchmarkPercentilesObserveParallel(b *testing.B) {
	var p Percentiles
	b.RunParallel(func(pb *testing.PB) {
		for i := int64(0); pb.Next(); i++ {
			p.Observe(i & 1023)
		}
	})
}
