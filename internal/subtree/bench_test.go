package subtree

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"quokka/client"
	"quokka/quokkatest"
)

// BenchmarkLargeTree does everything once to a tree of QUOKKA_NODES nodes,
// 100,000 unless that is set, and reports nodes per second and the largest
// heap, which the server in the same process shares.
func BenchmarkLargeTree(b *testing.B) {
	nodes := 100_000
	if n, err := strconv.Atoi(os.Getenv("QUOKKA_NODES")); err == nil {
		nodes = n
	}
	s := quokkatest.Start(b, 1)
	c := s.Dial(b, client.Options{})
	must(b, c.EnsurePath(b.Context(), "/big"))
	p := c.Pipeline()
	for i := range nodes {
		if i%1000 == 0 {
			p.Create(b.Context(), fmt.Sprintf("/big/%04d", i/1000), nil)
		}
		p.Create(b.Context(), fmt.Sprintf("/big/%04d/node-%06d", i/1000, i), []byte("some data of a usual size, say sixty bytes or a little more.."))
	}
	must(b, p.Wait(b.Context()))
	side := Side{c, "/big"}
	step := func(name string, do func() error) {
		b.Run(name, func(b *testing.B) {
			var top uint64
			begin := time.Now()
			for range b.N {
				must(b, do())
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				top = max(top, m.HeapInuse)
			}
			b.ReportMetric(float64(nodes*b.N)/time.Since(begin).Seconds(), "nodes/s")
			b.ReportMetric(float64(top)/(1<<20), "heapMiB")
		})
	}
	step("walk", func() error {
		for _, err := range Walk(b.Context(), c, "/big", WalkOptions{Data: true, ACL: true}) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	step("export", func() error {
		_, err := WriteExport(io.Discard, ExportHeader{Root: "/big"}, Walk(b.Context(), c, "/big", WalkOptions{Data: true, ACL: true}), nil)
		return err
	})
	step("setACL", func() error {
		_, err := SetACL(b.Context(), c, "/big", client.WorldACL(client.PermAll), client.AnyVersion, ACLOptions{})
		return err
	})
	step("copy and delete", func() error {
		if _, err := Copy(b.Context(), side, Side{c, "/copy"}, TransferOptions{}); err != nil {
			return err
		}
		_, err := Delete(b.Context(), c, "/copy", DeleteOptions{})
		return err
	})
	must(b, func() error { _, err := Copy(b.Context(), side, Side{c, "/copy"}, TransferOptions{}); return err }())
	step("diff", func() error {
		for d, err := range Diff(DiffWalk(b.Context(), side, DiffOptions{}, nil), DiffWalk(b.Context(), Side{c, "/copy"}, DiffOptions{}, nil), DiffOptions{}) {
			if err != nil || d.Path != "" {
				return fmt.Errorf("differs at %s: %w", d.Path, err)
			}
		}
		return nil
	})
}
