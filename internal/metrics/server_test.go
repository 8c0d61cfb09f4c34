package metrics

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"quokka/internal/proto"
)

// notPrinted are the instruments of Server that Each leaves out: the gauges of mntr print those.
var notPrinted = []string{
	"PacketsReceived", "PacketsSent", "RequestLatency", "ResponseSizes", "AuthFailed",
	"FsyncTooLong",
}

// instruments lists every instrument field of a struct by name, embedded structs included.
func instruments(v reflect.Value, out map[string]any) {
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		if !f.IsExported() || f.Type == reflect.TypeFor[OpCounts]() {
			continue
		}
		switch p := field.Addr().Interface().(type) {
		case *Counter, *Summary, *Percentiles, *SummarySet, *CounterSet, *ResponseSizes:
			out[f.Name] = p
		default:
			instruments(field, out)
		}
	}
}

func TestEveryFieldIsPrintedOnce(t *testing.T) {
	s := NewServer()
	fields := map[string]any{}
	instruments(reflect.ValueOf(s).Elem(), fields)
	for name, field := range fields {
		n := 0
		for _, m := range s.all {
			if any(m.in) == field {
				n++
			}
		}
		want := 1
		if slices.Contains(notPrinted, name) {
			want = 0
		}
		if n != want {
			t.Errorf("field %s is printed %d times, want %d", name, n, want)
		}
	}
	names := map[string]bool{}
	for _, m := range s.all {
		if names[m.name] {
			t.Errorf("%s is printed twice", m.name)
		}
		names[m.name] = true
	}
}

func TestEachIsStableAndResetClears(t *testing.T) {
	s := NewServer()
	walk := func() (got []string) {
		s.Each(func(n, v string) { got = append(got, n+" "+v) })
		return got
	}
	zero := walk()
	s.ObserveLatency(5, false)
	s.ObserveLatency(-1, true)
	s.ResponseSizes.Observe(12)
	s.ResponseSizes.Observe(7)
	s.AuthFailed.Inc()
	s.BytesReceived.Add(3)
	got := walk()
	if !slices.Contains(got, "cnt_readlatency 1") || !slices.Contains(got, "cnt_updatelatency 0") || !slices.Contains(got, "bytes_received_count 3") {
		t.Errorf("got %s", strings.Join(got, "\n"))
	}
	if r := &s.ResponseSizes; r.Last() != 7 || r.Min() != 7 || r.Max() != 12 {
		t.Errorf("response sizes %d/%d/%d", r.Last(), r.Min(), r.Max())
	}
	s.Reset()
	if got := walk(); !slices.Equal(got, zero) {
		t.Error("reset did not clear everything that is printed")
	}
	if s.AuthFailed.Load() != 1 || s.ResponseSizes.Last() != -1 || s.RequestLatency.Count() != 0 {
		t.Error("reset must clear latency and response sizes and keep refused connections")
	}
}

func TestOpCountsKnowEveryCountedOp(t *testing.T) {
	notCounted := map[proto.Op]bool{proto.OpNotification: true, proto.OpAuth: true, proto.OpSASL: true, proto.OpError: true}
	for _, op := range proto.Ops {
		var o OpCounts
		o.Inc(int32(op))
		if want := !notCounted[op]; (o.total.Load() == 1) != want {
			t.Errorf("%v: counted %d times", op, o.total.Load())
		}
	}
	var o OpCounts
	for _, op := range []int32{-12, 108, -1 << 31, 1<<31 - 1} {
		o.Inc(op)
	}
	if o.total.Load() != 0 {
		t.Error("an unknown operation was counted")
	}
}
