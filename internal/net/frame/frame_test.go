package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

func encode(payloads ...[]byte) []byte {
	var b []byte
	for _, p := range payloads {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func TestFramesOfAllSizesInAllPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var want [][]byte
	for _, n := range []int{0, 1, 3, 4, 100, 4091, 4092, 4093, 5000, 65532, 65536, 200_000, 7, 0, 9} {
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		want = append(want, p)
	}
	in := encode(want...)
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(in), "bytes": iotest.OneByteReader(bytes.NewReader(in)),
		"halves": iotest.HalfReader(bytes.NewReader(in)), "dataerr": iotest.DataErrReader(bytes.NewReader(in)),
	} {
		f := NewReader(r, 1<<20)
		for i, p := range want {
			got, err := f.Next()
			if err != nil || !bytes.Equal(got, p) {
				t.Fatalf("%s: frame %d of %d bytes: %v", name, i, len(p), err)
			}
		}
		if _, err := f.Next(); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestBufferGrowsAndShrinks(t *testing.T) {
	var frames [][]byte
	for range 200 {
		frames = append(frames, make([]byte, 1000))
	}
	pr, pw := io.Pipe()
	go func() {
		for range 3 {
			_, _ = pw.Write(encode(frames...)) // pipelined
		}
		for range 100 {
			_, _ = pw.Write(encode(make([]byte, 10)))
		}
		pw.Close()
	}()
	f := NewReader(pr, 1<<20)
	largest := 0
	for {
		if _, err := f.Next(); err != nil {
			break
		}
		largest = max(largest, len(f.buf))
	}
	if largest != largeBuffer || len(f.buf) != smallBuffer {
		t.Errorf("the buffer grew to %d and ended at %d bytes", largest, len(f.buf))
	}
}

func TestReadyTellsOfBufferedFrames(t *testing.T) {
	f := NewReader(bytes.NewReader(encode([]byte("a"), []byte("bc"))), 10)
	if f.Ready() {
		t.Error("ready before anything was read")
	}
	if _, err := f.Next(); err != nil || !f.Ready() {
		t.Errorf("second frame is buffered: %v", err)
	}
	if _, err := f.Next(); err != nil || f.Ready() {
		t.Errorf("nothing is left: %v", err)
	}
}

func TestBadLengths(t *testing.T) {
	for _, n := range []uint32{11, 0xffffffff, 0x80000000, 0x7fffffff} {
		in := append(binary.BigEndian.AppendUint32(nil, n), "head"...)
		_, err := NewReader(bytes.NewReader(in), 10).Next()
		var se *SizeError
		if !errors.As(err, &se) || se.Length != int32(n) || string(se.Head) != "head" {
			t.Errorf("length %#x: %v", n, err)
		}
	}
	if _, err := NewReader(bytes.NewReader([]byte{0, 0, 0, 5, 1}), 10).Next(); err != io.ErrUnexpectedEOF {
		t.Errorf("torn frame: %v", err)
	}
}

func FuzzReader(f *testing.F) {
	f.Add(encode([]byte("abc"), nil), uint8(3))
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		fr := NewReader(bytes.NewReader(in), 100)
		total := 0
		for {
			p, err := fr.Next()
			if err != nil {
				return
			}
			if total += len(p) + 4; total > len(in) {
				t.Fatalf("read %d of %d bytes", total, len(in))
			}
		}
	})
}
