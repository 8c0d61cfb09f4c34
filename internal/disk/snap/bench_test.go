package snap

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"quokka/internal/core/session"
	"quokka/internal/core/tree"
	"quokka/internal/disk/vfs"
	"quokka/internal/proto"
)

// largeTree has n znodes of 100 bytes below 1000 parents.
func largeTree(b testing.TB, n int) *tree.Tree {
	tr := tree.New(tree.Options{})
	data := bytes.Repeat([]byte("x"), 100)
	for i := range n {
		parent := fmt.Sprintf("/p%03d", i%1000)
		if i < 1000 {
			tr.Create(parent, nil, openACL, 0, -1, proto.Zxid(i+1), 1)
		}
		if code := tr.Create(fmt.Sprintf("%s/node-%010d", parent, i), data, openACL, 0, -1, proto.Zxid(i+1), 1); code != proto.OK {
			b.Fatal(code)
		}
	}
	return tr
}

const benchNodes = 1_000_000

func BenchmarkWrite(b *testing.B) {
	p := pictureOf(b, largeTree(b, benchNodes), session.NewTable(), 1)
	b.ReportAllocs()
	b.SetBytes(int64(len(written(b, p))))
	for b.Loop() {
		if err := Write(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSave(b *testing.B) {
	p := pictureOf(b, largeTree(b, benchNodes), session.NewTable(), 1)
	dir := b.TempDir()
	for _, m := range []Method{Plain, Gzip, Snappy} {
		b.Run("method="+string(m), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(written(b, p))))
			for b.Loop() {
				if _, err := Save(vfs.OS{}, dir, p, m, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	p := pictureOf(b, largeTree(b, benchNodes), session.NewTable(), 1)
	dir := b.TempDir()
	for _, m := range []Method{Plain, Gzip, Snappy} {
		info, err := Save(vfs.OS{}, dir, p, m, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("method="+string(m), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(info.Size)
			for b.Loop() {
				if _, _, _, err := Load(vfs.OS{}, info.Path, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
