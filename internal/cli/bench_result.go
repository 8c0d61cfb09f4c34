package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"quokka/internal/proto"
)

// tally counts the replies of a session. Latencies are kept in nanoseconds
// with two significant digits, in about 25 KB.
type tally struct {
	latency *hdrhistogram.Histogram
	ops     int64 // nodes, of replies without error
	sum     int64 // of all latencies, exact
	longest int64
	errors  map[proto.Code]int64
}

func newTally() *tally {
	return &tally{latency: hdrhistogram.New(1000, int64(time.Hour), 2), errors: map[proto.Code]int64{}}
}

// add counts one reply to a request about that many nodes.
func (t *tally) add(latency int64, ops int32, code proto.Code) {
	if code != proto.OK {
		t.errors[code]++
		return
	}
	t.ops += int64(ops)
	t.sum += latency
	t.longest = max(t.longest, latency)
	_ = t.latency.RecordValue(min(latency, int64(time.Hour))) // cannot be out of range
}

func (t *tally) merge(o *tally) {
	t.latency.Merge(o.latency)
	t.ops += o.ops
	t.sum += o.sum
	t.longest = max(t.longest, o.longest)
	t.addErrors(o)
}

func (t *tally) addErrors(o *tally) {
	for code, n := range o.errors {
		t.errors[code] += n
	}
}

// benchResult is a row of the report. Times are milliseconds and stand for
// one request, from handing it to the system to having read its reply; of
// sessions that wait for each reply, from having read the reply before. Errors
// counts error replies, those of the warmup included; they are in no other
// number.
type benchResult struct {
	Workload         string           `json:"workload"`
	Ops              int64            `json:"ops"`
	Requests         int64            `json:"requests"`
	Seconds          float64          `json:"seconds"`
	OpsPerSecond     float64          `json:"ops_per_second"`
	Mean             float64          `json:"mean_ms"`
	P50              float64          `json:"p50_ms"`
	P90              float64          `json:"p90_ms"`
	P99              float64          `json:"p99_ms"`
	P999             float64          `json:"p99_9_ms"`
	Max              float64          `json:"max_ms"`
	Errors           int64            `json:"errors"`
	ErrorCodes       map[string]int64 `json:"error_codes,omitempty"`
	ClientCPUSeconds float64          `json:"client_cpu_seconds"`
}

func newBenchResult(name string, t *tally, took, cpu time.Duration) *benchResult {
	ms := func(ns int64) float64 { return float64(min(ns, t.longest)) / 1e6 }
	r := &benchResult{
		Workload: name, Ops: t.ops, Requests: t.latency.TotalCount(), Seconds: took.Seconds(),
		P50: ms(t.latency.ValueAtQuantile(50)), P90: ms(t.latency.ValueAtQuantile(90)),
		P99: ms(t.latency.ValueAtQuantile(99)), P999: ms(t.latency.ValueAtQuantile(99.9)),
		Max: ms(t.longest), ClientCPUSeconds: cpu.Seconds(),
	}
	if took > 0 {
		r.OpsPerSecond = float64(t.ops) / took.Seconds()
	}
	if r.Requests > 0 {
		r.Mean = float64(t.sum) / float64(r.Requests) / 1e6
	}
	for code, n := range t.errors {
		if r.ErrorCodes == nil {
			r.ErrorCodes = map[string]int64{}
		}
		r.ErrorCodes[code.String()] += n
		r.Errors += n
	}
	return r
}

// benchPrinter writes the report, row by row or as one JSON document.
type benchPrinter struct {
	w    io.Writer
	json bool
	err  error
	doc  struct {
		Servers   []string       `json:"servers"`
		Sessions  int            `json:"sessions"`
		Pipeline  int            `json:"pipeline"`
		SizeBytes int            `json:"size_bytes"`
		Keys      int            `json:"keys"`
		Seed      uint64         `json:"seed"`
		Results   []*benchResult `json:"results"`
	}
}

func (p *benchPrinter) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(p.w, format, args...); p.err == nil {
		p.err = err
	}
}

func (p *benchPrinter) begin(b *Bench) {
	p.doc.Servers, p.doc.Sessions, p.doc.Pipeline = b.Servers, b.Sessions, b.Pipeline
	p.doc.SizeBytes, p.doc.Keys, p.doc.Seed = b.Size, b.Keys, b.Seed
	if p.json {
		return
	}
	p.printf("servers %s, sessions %d, pipeline %d, size %d bytes; times in ms per request\n",
		strings.Join(b.Servers, ","), b.Sessions, b.Pipeline, b.Size)
	p.printf("%-8s %10s %8s %10s %8s %8s %8s %8s %8s %8s %7s %8s\n", "workload", "ops", "seconds", "ops/s",
		"mean", "p50", "p90", "p99", "p99.9", "max", "errors", "cpu s")
}

func (p *benchPrinter) row(r *benchResult) {
	p.doc.Results = append(p.doc.Results, r)
	if p.json {
		return
	}
	p.printf("%-8s %10d %8.2f %10.0f %8.3f %8.3f %8.3f %8.3f %8.3f %8.2f %7d %8.2f\n", r.Workload, r.Ops, r.Seconds,
		r.OpsPerSecond, r.Mean, r.P50, r.P90, r.P99, r.P999, r.Max, r.Errors, r.ClientCPUSeconds)
	for _, code := range slices.Sorted(maps.Keys(r.ErrorCodes)) {
		p.printf("  %d replies: %s\n", r.ErrorCodes[code], code)
	}
	if r.Requests != r.Ops {
		p.printf("  %d requests\n", r.Requests)
	}
}

func (p *benchPrinter) cleaned(nodes int, took time.Duration) {
	if !p.json {
		p.printf("deleted %d nodes in %.2f s\n", nodes, took.Seconds())
	}
}

func (p *benchPrinter) kept(prefix string) {
	if !p.json {
		p.printf("the nodes are kept under %s\n", prefix)
	}
}

// end writes the JSON document and returns the first error of writing.
func (p *benchPrinter) end() error {
	if p.json {
		text, err := json.MarshalIndent(p.doc, "", "  ")
		if err != nil {
			return fmt.Errorf("bench: encode the report: %w", err)
		}
		p.printf("%s\n", text)
	}
	if p.err != nil {
		return fmt.Errorf("bench: write the report: %w", p.err)
	}
	return nil
}
