package tree

import (
	"fmt"
	"runtime"
	"testing"

	"quokka/internal/proto"
)

const million = 1_000_000

// big returns a tree of a thousand parents with a thousand children each, 100
// bytes of data in every one, and the paths of the children.
func big(b *testing.B) (*Tree, []string) {
	b.Helper()
	tr, data := New(Options{}), make([]byte, 100)
	paths := make([]string, 0, million)
	for i := range 1000 {
		parent := fmt.Sprintf("/parent-%04d", i)
		tr.Create(parent, data, anyone, 0, -1, proto.Zxid(i), 1)
		for j := range 1000 {
			paths = append(paths, fmt.Sprintf("%s/node-%06d", parent, j))
			tr.Create(paths[len(paths)-1], data, anyone, 0, -1, proto.Zxid(i), 1)
		}
	}
	return tr, paths
}

// scattered visits the paths in an order that caches do not like.
func scattered(i int) int { return i * 611953 % million }

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkMemory builds a million znodes of 100 bytes through a Builder and
// reports what each holds of the heap, and how long a collection takes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		before := heap()
		tr := build(b)
		b.ReportMetric(float64(heap()-before)/million, "B/node")
		runtime.KeepAlive(tr)
	}
}

func build(b *testing.B) *Tree {
	data, path := make([]byte, 100), []byte{}
	st := proto.StatPersisted{Czxid: 1}
	builder := NewBuilder(Options{})
	builder.AddACL(1, anyone)
	for i := range 1000 {
		_ = builder.Add(fmt.Appendf(path[:0], "/parent-%04d", i), data, 1, st)
		for j := range 1000 {
			path = fmt.Appendf(path[:0], "/parent-%04d/node-%06d", i, j)
			if err := builder.Add(path, data, 1, st); err != nil {
				b.Fatal(err)
			}
		}
	}
	tr, err := builder.Finish()
	if err != nil {
		b.Fatal(err)
	}
	return tr
}

func BenchmarkBuildMillion(b *testing.B) {
	for b.Loop() {
		build(b)
	}
}

func BenchmarkGC(b *testing.B) {
	tr, _ := big(b)
	for b.Loop() {
		runtime.GC()
	}
	runtime.KeepAlive(tr)
}

func BenchmarkFind(b *testing.B) {
	tr, paths := big(b)
	i := 0
	for b.Loop() {
		if tr.FindString(paths[scattered(i)]) == 0 {
			b.Fatal("lost")
		}
		i++
	}
}

func BenchmarkSetData(b *testing.B) {
	tr, paths := big(b)
	data := make([]byte, 100)
	i := 0
	for b.Loop() {
		tr.SetData(paths[scattered(i)], data, int32(i), proto.Zxid(i), 1)
		i++
	}
}

// BenchmarkCreateDelete creates a child and deletes it.
func BenchmarkCreateDelete(b *testing.B) {
	tr, paths := big(b)
	data := make([]byte, 100)
	i := 0
	for b.Loop() {
		path := paths[scattered(i)]
		tr.Delete(path, proto.Zxid(i))
		tr.Create(path, data, anyone, 0, -1, proto.Zxid(i), 1)
		i++
	}
}

func BenchmarkCreateMillion(b *testing.B) {
	for b.Loop() {
		big(b)
	}
}

func BenchmarkView(b *testing.B) {
	tr, _ := big(b)
	for b.Loop() {
		tr.View().Close()
	}
}

// BenchmarkSetDataUnderView pays for the copies: every change meets a chunk
// that the view shares until all are copied.
func BenchmarkSetDataUnderView(b *testing.B) {
	tr, paths := big(b)
	data := make([]byte, 100)
	v := tr.View()
	i := 0
	for b.Loop() {
		if i%10000 == 0 {
			v.Close()
			v = tr.View()
		}
		tr.SetData(paths[scattered(i)], data, int32(i), proto.Zxid(i), 1)
		i++
	}
}

func BenchmarkViewWalk(b *testing.B) {
	tr, _ := big(b)
	v := tr.View()
	for b.Loop() {
		n := 0
		for range v.Nodes() {
			n++
		}
		if n != v.Len() {
			b.Fatal(n)
		}
	}
}
