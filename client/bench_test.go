package client_test

import (
	"testing"

	"quokka/client"
	"quokka/quokkatest"
)

func BenchmarkGet(b *testing.B) {
	c := quokkatest.Start(b, 1).Dial(b, client.Options{})
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Get(b.Context(), "/"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGetParallel(b *testing.B) {
	c := quokkatest.Start(b, 1).Dial(b, client.Options{})
	b.ReportAllocs()
	b.SetParallelism(50)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, _, err := c.Get(b.Context(), "/"); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkPipeline(b *testing.B) {
	c := quokkatest.Start(b, 1).Dial(b, client.Options{})
	b.ReportAllocs()
	p := c.Pipeline()
	for b.Loop() {
		p.Get(b.Context(), "/")
	}
	if err := p.Wait(b.Context()); err != nil {
		b.Fatal(err)
	}
}
