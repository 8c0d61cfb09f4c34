package peers

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"quokka/internal/jute"
	"quokka/internal/proto"
)

func randomPacket(rng *rand.Rand) proto.QuorumPacket {
	q := proto.QuorumPacket{Type: proto.PacketType(1 + rng.IntN(19)), Zxid: proto.Zxid(rng.Int64())}
	if n := rng.IntN(4); n > 0 {
		q.Data = make([]byte, []int{0, 0, 100, 200_000}[n])
		for i := range q.Data {
			q.Data[i] = byte(rng.Uint32())
		}
	}
	if n := rng.IntN(4); n > 0 {
		q.Auth = []proto.ID{}
		for range n - 1 {
			q.Auth = append(q.Auth, proto.ID{Scheme: "digest", ID: strings.Repeat("x", rng.IntN(20))})
		}
	}
	return q
}

// Packets of all shapes come through in pieces of all sizes, and writePacket
// writes what proto.AppendQuorumPacket appends.
func TestPacketsOfAllShapesInAllPieces(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var want []proto.QuorumPacket
	var in []byte
	var out bytes.Buffer
	w := bufio.NewWriterSize(&out, 64)
	for range 200 {
		q := randomPacket(rng)
		want = append(want, q)
		in = proto.AppendQuorumPacket(in, &q)
		if err := writePacket(w, &q); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil || !bytes.Equal(in, out.Bytes()) {
		t.Fatalf("writePacket writes something else (%v)", err)
	}
	for name, r := range map[string]io.Reader{
		"whole": bytes.NewReader(in), "halves": iotest.HalfReader(bytes.NewReader(in)),
		"bytes": iotest.OneByteReader(bytes.NewReader(in)), "dataerr": iotest.DataErrReader(bytes.NewReader(in)),
	} {
		d := packetReader{bufio.NewReaderSize(r, 64)}
		for i := range want {
			q, err := d.next(1 << 20)
			if err != nil || !reflect.DeepEqual(q, want[i]) {
				t.Fatalf("%s: packet %d: %v", name, i, err)
			}
		}
		if _, err := d.next(1 << 20); err != io.EOF {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestPacketLimits(t *testing.T) {
	head := proto.AppendQuorumPacket(nil, &proto.QuorumPacket{Type: proto.PacketRequest})[:12]
	with := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{head}, parts...), nil) }
	n := func(v int32) []byte { return jute.AppendInt(nil, v) }
	id := func(size int) []byte {
		return proto.AppendID(nil, proto.ID{Scheme: "s", ID: strings.Repeat("x", size)})
	}
	for name, c := range map[string]struct {
		in   []byte
		fail string
	}{
		"data":          {with(n(1001)), "a field of 1001 bytes"},
		"huge":          {with(n(1<<31 - 1)), "a field of 2147483647 bytes"},
		"negative":      {with(n(-2)), "a field of -2 bytes"},
		"ids":           {with(n(-1), n(maxIDs+1)), "a vector of 4097 ids"},
		"negative ids":  {with(n(-1), n(-5)), "a vector of -5 ids"},
		"id":            {with(n(-1), n(1), n(1001)), "a field of 1001 bytes"},
		"ids together":  {with(n(-1), n(2), id(600), id(600)), "a field of 600 bytes"},
		"cut in head":   {head, "unexpected EOF"},
		"cut in data":   {with(n(5), []byte("abc")), "unexpected EOF"},
		"cut at ids":    {with(n(0)), "unexpected EOF"},
		"cut in ids":    {with(n(0), n(1)), "unexpected EOF"},
		"cut in string": {with(n(0), n(1), n(3), []byte("x")), "unexpected EOF"},
	} {
		_, err := packetReader{bufio.NewReader(bytes.NewReader(c.in))}.next(1000)
		if err == nil || !strings.Contains(err.Error(), c.fail) {
			t.Errorf("%s: error %v, want %q", name, err, c.fail)
		}
		if strings.HasPrefix(name, "cut") && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A length that is allowed but not backed by data does not cost memory.
func TestLargeDataIsAllocatedAsItArrives(t *testing.T) {
	in := proto.AppendQuorumPacket(nil, &proto.QuorumPacket{Type: proto.PacketRequest})[:12]
	in = append(jute.AppendInt(in, 1<<30), "only a little"...)
	before := allocated()
	if _, err := (packetReader{bufio.NewReader(bytes.NewReader(in))}).next(1 << 30); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v", err)
	}
	if n := allocated() - before; n > 8<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

// allocated returns how many bytes were allocated so far.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

func FuzzPackets(f *testing.F) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		q := randomPacket(rng)
		q.Data = q.Data[:min(len(q.Data), 100)]
		f.Add(proto.AppendQuorumPacket(nil, &q))
	}
	f.Add(binary.BigEndian.AppendUint64(nil, 15))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := packetReader{bufio.NewReaderSize(bytes.NewReader(b), 16)}
		for {
			q, err := d.next(1 << 16)
			if err != nil {
				return
			}
			// A null string of an id becomes an empty one, so bytes may differ.
			again := proto.AppendQuorumPacket(nil, &q)
			r, err := packetReader{bufio.NewReader(bytes.NewReader(again))}.next(1 << 16)
			if err != nil || !reflect.DeepEqual(q, r) {
				t.Fatalf("%+v comes back as %+v, %v", q, r, err)
			}
		}
	})
}
